#!/usr/bin/busybox sh
# What is done without boothook: a hook of the initrd that asks for a lease and
# for the user-data, once the root is there, and writes into it what it knows
# how to. It can read one form of user-data, that of TestInitrdCost, and knows
# neither retries nor tokens. It is called as the agent is, in its place.
[ "$1" = late ] || exit 0
rootmnt=$3

imds=http://169.254.169.254/latest
PATH=/usr/sbin:/usr/bin:/sbin:/bin
modprobe -q af_packet
modprobe -q virtio_net
udevadm settle
for nic in /sys/class/net/e*; do nic=${nic##*/}; done
busybox ip link set "$nic" up
busybox udhcpc -q -n -f -i "$nic" -s /usr/lib/hook/lease -t 20 -T 1 >/dev/null 2>&1
busybox wget -q -O /run/user-data $imds/user-data
name=$(busybox sed -n 's/^hostname: //p' /run/user-data)
key=$(busybox sed -n 's/^ssh_authorized_keys: \["\(.*\)"\]/\1/p' /run/user-data)
id=$(busybox wget -q -O - $imds/meta-data/instance-id)

busybox grep -q " $rootmnt [^ ]* rw" /proc/mounts || ro=1
[ -z "$ro" ] || busybox mount -o remount,rw none "$rootmnt"
cd "$rootmnt"
echo "$name" >etc/hostname
busybox mkdir -p etc/motd.d etc/systemd/system/ssh.service.d etc/systemd/system/multi-user.target.wants home/debian/.ssh var/lib/hook
echo hello >etc/motd.d/cost
printf '[Service]\nEnvironment=COST=1\n' >etc/systemd/system/ssh.service.d/cost.conf
echo "$key" >home/debian/.ssh/authorized_keys
busybox chown -R 1000:1000 home/debian/.ssh
busybox chmod 700 home/debian/.ssh
busybox chmod 600 home/debian/.ssh/authorized_keys
printf '[Service]\nType=oneshot\nExecStart=touch /var/tmp/cost\n' >etc/systemd/system/hook.service
busybox ln -s ../hook.service etc/systemd/system/multi-user.target.wants/
echo "$id" >var/lib/hook/id
busybox sync
cd /
[ -z "$ro" ] || busybox mount -o remount,ro none "$rootmnt"
busybox ip addr flush dev "$nic"
busybox ip link set "$nic" down

package cloudconfig

import (
	"fmt"
	"strings"

	"boothook/netboot/instance"
)

// structuralKeys steer how cloud-config is read, or are those of a system's
// own cloud.cfg; no module plans anything for them.
func structuralKeys() []string {
	return []string{
		"allow_userdata", "cloud_config_modules", "cloud_dir", "cloud_final_modules", "cloud_init_modules",
		"datasource", "datasource_list", "def_log_file", "disable_network_activation", "launch-index",
		"log_cfgs", "manual_cache_clean", "merge_how", "merge_type", "network", "output", "reporting",
		"run_dir", "syslog_fix_perms", "system_info", "vendor_data", "vendor_data2",
	}
}

// foreignKeys are top-level keys of cloud-init 26.2 and earlier.
func foreignKeys() []string {
	return []string{
		"ansible", "apk_repos", "apt", "apt_pipelining", "apt_reboot_if_required", "apt_update", "apt_upgrade",
		"authkey_hash", "autoinstall", "bootcmd", "byobu_by_default", "ca-certs", "ca_certs", "chef", "chpasswd",
		"device_aliases", "disable_ec2_metadata", "disk_setup", "drivers", "fan", "final_message", "fqdn", "fs_setup",
		"groups", "growpart", "grub-dpkg", "grub_dpkg", "hostname", "keyboard", "landscape", "locale",
		"locale_configfile", "lxd", "manage_etc_hosts", "manage_resolv_conf", "mcollective", "migrate",
		"mount_default_fields", "mounts", "no_ssh_fingerprints", "ntp", "package_reboot_if_required",
		"package_update", "package_upgrade", "packages", "password", "phone_home", "power_state", "puppet",
		"random_seed", "resize_rootfs", "resolv_conf", "rh_subscription", "rpi", "rsyslog", "salt_minion", "snap",
		"spacewalk", "ssh", "ssh_fp_console_blacklist", "ssh_import_id", "ssh_key_console_blacklist",
		"ssh_publish_hostkeys", "ssh_pwauth", "swap", "timezone", "ubuntu_advantage", "ubuntu_pro", "updates",
		"wireguard", "yum_repo_dir", "yum_repos", "zypper",
	}
}

// checkKeys reports the top-level keys that nothing will be done about. Those
// of the root's own cloud.cfg are left out: they are not this boot's wish.
func checkKeys(cfg Config) []instance.Problem {
	var out []instance.Problem
	if cfg.Root == nil {
		return nil
	}
	for _, e := range cfg.Root.Map {
		if e.Key.Pos.Part == "" { // the value's is that of the lower layer
			continue
		}
		handled, known, suggestion := Known(e.Key.Text)
		switch {
		case e.Key.Text == "network":
			// cloud-init does not look there either.
			out = append(out, warning(e.Key.Pos, "network in user-data does nothing: it belongs into the source's network-config, without a key around it or below network, or into /etc/cloud/cloud.cfg.d of the image"))
		case handled && e.Key.Kind == String:
		case known:
			out = append(out, warning(e.Key.Pos, fmt.Sprintf("key %q is not handled by boothook%s", e.Key.Text, instead(e.Key.Text))))
		case suggestion != "":
			out = append(out, warning(e.Key.Pos, fmt.Sprintf("key %q is not known; did you mean %q?", e.Key.Text, suggestion)))
		default:
			out = append(out, warning(e.Key.Pos, fmt.Sprintf("key %q is not known", e.Key.Text)))
		}
	}
	return out
}

// instead says what else does what a key asks for.
func instead(key string) string {
	switch key {
	case "growpart", "resize_rootfs":
		return "; systemd-repart and x-systemd.growfs in fstab do that, or growroot in the initrd"
	case "disk_setup", "fs_setup", "device_aliases":
		return ", which partitions and formats nothing; a bootcmd can"
	case "packages", "package_update", "package_upgrade", "snap", "ansible", "puppet", "chef", "salt_minion", "phone_home", "power_state":
		return "; runcmd can do that"
	}
	return ""
}

// nearest returns the candidate within a third of the key's length in edits,
// or "".
func nearest(key string, candidates []string) string {
	if len(key) > 64 {
		return "" // no key is that long, and the comparison takes time
	}
	best, limit := "", len(key)/3+1
	key = strings.ToLower(strings.ReplaceAll(key, "-", "_"))
	for _, c := range candidates {
		if d := distance(key, strings.ReplaceAll(c, "-", "_")); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

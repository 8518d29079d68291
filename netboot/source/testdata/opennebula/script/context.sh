HOSTNAME='x'
if true; then VMID='1'; fi

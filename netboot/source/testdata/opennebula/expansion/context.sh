VMID="$(id -u)"

package simulate

// rbxCloud is the volume of RbxCloud (HyperOne), whose machines have addresses
// that only it tells.
func rbxCloud(m Machine) map[string][]byte {
	return documents{
		"cloud.json": jsonOf(map[string]any{
			"vm":                 map[string]any{"_id": m.InstanceID, "name": m.Hostname, "cpu": 2, "memory": 4},
			"additionalMetadata": map[string]any{"username": "rbx", "sshKeys": m.keys(), "password": map[string]any{}},
			"disk":               []any{map[string]any{"_id": "5beab4504d09b7ac4aa28ba1", "name": "os", "size": 10, "type": "ssd"}},
			"dvddrive":           []any{},
			"netadp": []any{map[string]any{
				"_id": "5beab4504d09b7ac4aa28ba2", "type": "public", "speed": 1000, "macaddress": "00:15:5D:FF:0F:03",
				"ip": []any{map[string]any{"_id": "5beab4504d09b7ac4aa28ba3", "address": "192.0.2.10"}},
				"network": map[string]any{
					"_id": "5beab4504d09b7ac4aa28ba4", "name": "public", "type": "public", "routing": []any{},
					"gateway": "192.0.2.1", "netmask": "255.255.255.0", "dns": map[string]any{"nameservers": []string{"192.0.2.2"}},
				},
			}},
		}),
		"user.data": m.UserData,
	}.files()
}

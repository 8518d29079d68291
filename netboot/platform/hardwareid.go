package platform

import "strings"

// What follows are values for Rule.HardwareID: each reads off the evidence what
// tells this machine from any other, as NAME=VALUE; "" where there is nothing
// to trust.

// ProductUUID is the firmware's UUID of the machine.
func ProductUUID(ev *Evidence) string { return Field(ev, "product_uuid", realUUID) }

// ProductSerial is the machine's serial number, or its UUID where the firmware
// has none.
func ProductSerial(ev *Evidence) string {
	if s := Field(ev, "product_serial", realSerial); s != "" {
		return s
	}
	return ProductUUID(ev)
}

// Field is one of the firmware's strings in lower case, if it is valid.
func Field(ev *Evidence, name string, valid func(string) bool) string {
	v := strings.ToLower(ev.DMI[name])
	if !valid(v) {
		return ""
	}
	return name + "=" + v
}

// realUUID refuses the values that careless firmware gives to every machine.
func realUUID(v string) bool {
	if len(v) != 36 || strings.Count(v, "-") != 4 {
		return false
	}
	digits := strings.ReplaceAll(v, "-", "")
	return strings.Trim(digits, digits[:1]) != "" && v != "03000200-0400-0500-0006-000700080009"
}

// realSerial likewise: serial numbers that stand for "none".
func realSerial(v string) bool {
	switch v {
	case "", "0", "none", "not specified", "system serial number", "to be filled by o.e.m.", "default string":
		return false
	}
	return true
}

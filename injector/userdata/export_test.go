package userdata

// Fragile gives limits under which the first loss loses the rest.
func Fragile(l Limits) Limits {
	l.fragile = true
	return l
}

package cloudconfig

import (
	"strings"

	"boothook/injector/plan"
)

// seedRandom plans random_seed. What is for the kernel's pool is handed to who
// can write there, for that is no file of the root.
func seedRandom(b *builder) {
	v := b.cfg.Get("random_seed")
	encoding := v.Get("encoding").Scalar()
	if strings.EqualFold(encoding, "raw") {
		encoding = ""
	}
	data, err := decode([]byte(b.str("random_seed.data", v.Get("data"))), encoding)
	switch file := v.Get("file").Scalar(); {
	case err != nil:
		b.fail(v, "random_seed: %v", err)
	case len(data) == 0:
	case file == "" || file == "/dev/urandom" || file == "/dev/random":
		b.result.RandomSeed = data
	default:
		b.step(&plan.Step{Kind: plan.File, Path: file, Body: data, Append: true, Mode: 0o600, Secret: true, Why: v.why("random_seed")})
	}
	if command := v.Get("command"); !command.Missing() {
		say := b.warn
		if v.Get("command_required").Truth(false) {
			say = b.fail
		}
		say(command, "random_seed.command is not run; a bootcmd can do the same, before every service")
	}
}

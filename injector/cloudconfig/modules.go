package cloudconfig

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"boothook/injector/jobs"
	"boothook/injector/plan"
	"boothook/netboot/instance"
)

// A Context is what the modules know besides the configuration.
type Context struct {
	Instance instance.Instance
	Facts    plan.Facts
	// NewInstance says that the root did not know this instance before:
	// host keys are then made anew.
	NewInstance bool
	// InstanceDir is the instance's own directory in the root, such as
	// /var/lib/cloud/instances/i-0abc.
	InstanceDir string
	// HostKey makes an SSH host key of the kind "rsa", "ecdsa" or
	// "ed25519". Nil: none are made, with a problem.
	HostKey func(kind string) (KeyPair, error)
	// Memory is the machine's, in bytes; 0 where the machine is not at hand.
	Memory int64
	// Rand is where salts and random passwords come from.
	Rand io.Reader
}

// A KeyPair is an SSH key as it stands in its two files.
type KeyPair struct{ Private, Public []byte }

// A Result is what the configuration comes to.
type Result struct {
	Steps []plan.Step
	// Bootcmd is the script of bootcmd, to be run as a hook on every boot;
	// nil for none.
	Bootcmd []byte
	// RandomPasswords are those that were asked for with RANDOM. They are
	// for the serial console only, never for a file or a log.
	RandomPasswords []RandomPassword
	// RandomSeed is for the kernel's random pool; once per instance.
	RandomSeed []byte
	// Services is what is to become of services, for package jobs to plan.
	Services []jobs.ServiceAction
	Problems []instance.Problem
}

// A RandomPassword is an account's password that nobody knows yet.
type RandomPassword struct{ User, Password string }

// A module plans what some top-level keys ask for.
type module struct {
	name string
	// keys are the top-level keys that the module reads. It is asked only
	// when one of them is there, unless always is set.
	keys   []string
	always bool
	// frequency is that of the steps that name none.
	frequency plan.Frequency
	plan      func(b *builder)
}

// modules lists the modules in the order of their steps, which is that of
// cloud-init but for the owners of written files (see writeFiles).
func modules() []module {
	return []module{
		{"seed_random", []string{"random_seed"}, false, plan.PerInstance, seedRandom},
		{"bootcmd", []string{"bootcmd"}, false, plan.PerBoot, bootcmd},
		{"injected_files", nil, true, plan.PerInstance, injectedFiles},
		{"write_files", []string{"write_files"}, false, plan.PerInstance, writeFilesEarly},
		{"mounts", []string{"mounts", "mount_default_fields", "swap"}, false, plan.PerInstance, mounts},
		{"set_hostname", []string{"hostname", "fqdn", "prefer_fqdn_over_hostname", "preserve_hostname", "create_hostname_file"}, true, plan.PerInstance, setHostname},
		{"update_etc_hosts", []string{"manage_etc_hosts"}, false, plan.PerInstance, etcHosts},
		{"resolv_conf", []string{"manage_resolv_conf", "resolv_conf"}, false, plan.PerInstance, resolvConf},
		{"ca_certs", []string{"ca_certs", "ca-certs"}, false, plan.PerInstance, caCerts},
		{"rsyslog", []string{"rsyslog"}, false, plan.PerInstance, rsyslog},
		{"users_groups", []string{"users", "user", "groups"}, true, plan.PerInstance, usersGroups},
		{"ssh", []string{"ssh_keys", "ssh_authorized_keys", "ssh_deletekeys", "ssh_genkeytypes", "disable_root", "disable_root_opts", "allow_public_ssh_keys", "ssh_quiet_keygen"}, true, plan.PerInstance, ssh},
		{"set_passwords", []string{"password", "chpasswd", "ssh_pwauth"}, false, plan.PerInstance, setPasswords},
		{"keyboard", []string{"keyboard"}, false, plan.PerInstance, keyboard},
		{"locale", []string{"locale", "locale_configfile"}, false, plan.PerInstance, locale},
		{"apk_configure", []string{"apk_repos"}, false, plan.PerInstance, apkRepos},
		{"apt_pipelining", []string{"apt_pipelining"}, false, plan.PerInstance, aptPipelining},
		{"apt_configure", []string{"apt"}, false, plan.PerInstance, apt},
		{"yum_add_repo", []string{"yum_repo_dir", "yum_repos"}, false, plan.PerInstance, yumRepos},
		{"zypper_add_repo", []string{"zypper"}, false, plan.PerInstance, zypperRepos},
		{"ntp", []string{"ntp"}, false, plan.PerInstance, ntp},
		{"timezone", []string{"timezone"}, false, plan.PerInstance, timezone},
		{"wireguard", []string{"wireguard"}, false, plan.PerInstance, wireguard},
		{"runcmd", []string{"runcmd"}, false, plan.PerInstance, runcmd},
		{"boothook", []string{"boothook"}, false, plan.PerInstance, services},
		{"write_files_deferred", []string{"write_files"}, false, plan.PerInstance, writeFilesLate},
	}
}

// Plan asks every module and returns the steps in their order. It is pure
// but for what the context's functions do.
func Plan(ctx Context, cfg Config) Result {
	b := &builder{Context: ctx, cfg: cfg}
	b.people = b.findPeople()
	for _, m := range modules() {
		i := slices.IndexFunc(m.keys, func(k string) bool { return !cfg.Get(k).Missing() })
		if i < 0 && !m.always {
			continue
		}
		first := len(b.result.Steps)
		m.plan(b)
		for j := first; j < len(b.result.Steps); j++ {
			if s := &b.result.Steps[j]; s.Frequency == "" && m.frequency != plan.PerInstance {
				s.Frequency = m.frequency
			}
		}
	}
	b.result.Problems = append(b.result.Problems, checkKeys(cfg)...)
	return b.result
}

// A builder collects what the modules plan.
type builder struct {
	Context
	cfg    Config
	people people
	result Result
}

func (b *builder) step(s *plan.Step) { b.result.Steps = append(b.result.Steps, *s) }

// warn notes what deserves a word; fail what is lost. Neither may be given
// a value of the configuration that could be a secret.
func (b *builder) warn(at *Value, format string, args ...any) {
	b.result.Problems = append(b.result.Problems, warning(at.Pos, fmt.Sprintf(format, args...)))
}

func (b *builder) fail(at *Value, format string, args ...any) {
	b.result.Problems = append(b.result.Problems, problem(at.Pos, fmt.Sprintf(format, args...)))
}

// str reads an optional scalar as text; anything else is a failure.
func (b *builder) str(name string, v *Value) string {
	if !v.Missing() && !v.IsScalar() {
		b.fail(v, "%s must be a string, not %v", name, v.Kind)
	}
	return v.Scalar()
}

// strings reads a list of scalars, or a single one, as texts.
func (b *builder) strings(name string, v *Value) []string {
	var out []string
	for _, item := range v.Items() {
		if !item.IsScalar() {
			b.fail(item, "%s must hold strings, not %v", name, item.Kind)
			continue
		}
		out = append(out, item.Scalar())
	}
	return out
}

// AskExists lists the paths that planning looks up in Facts.Exists.
func AskExists() []string {
	paths := append(append(hostKeyPaths(), sshdPaths()...), sshdDropins, debianBundle, redHatBundle)
	for _, c := range ntpClients {
		paths = append(paths, c.program)
	}
	slices.Sort(paths)
	return paths
}

// Known says whether boothook handles the top-level key, whether cloud-init
// knows it, and, when neither does, the known key that is spelt most alike.
func Known(key string) (handled, known bool, suggestion string) {
	own := map[string]bool{}
	for _, m := range modules() {
		for _, k := range m.keys {
			own[k] = true
		}
	}
	for _, k := range structuralKeys() {
		own[k] = true
	}
	if own[key] {
		return true, true, ""
	}
	if slices.Contains(foreignKeys(), key) {
		return false, true, ""
	}
	return false, false, nearest(key, slices.Concat(slices.Sorted(maps.Keys(own)), foreignKeys()))
}

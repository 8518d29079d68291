package upstart

// A Job is what a job file says. Nothing is filled in: what the file leaves
// out is empty or nil, and upstart's defaults are named beside the fields.
type Job struct {
	Description, Author, Version, Usage string
	// Instance is the pattern of the instance's name.
	Instance string
	// Env holds KEY=VALUE, or KEY for one of init's own variables.
	Env []string
	// Export holds names of variables, Emits names of events.
	Export, Emits []string
	// StartOn and StopOn are nil where nothing starts or stops the job.
	StartOn, StopOn *Expr
	// Main is the main process; the others surround it.
	Main, PreStart, PostStart, PreStop, PostStop *Process
	// Expect is none, stop, daemon or fork.
	Expect        string
	Task, Respawn bool
	// RespawnLimit is 10 in 5 seconds by default.
	RespawnLimit *RespawnLimit
	// NormalExit holds exit statuses, and signals times 256.
	NormalExit []int
	// KillTimeout is in seconds, by default 5.
	KillTimeout *int64
	// KillSignal is by default TERM, ReloadSignal HUP.
	KillSignal, ReloadSignal *int
	// Console is none, log, output or owner; by default log.
	Console string
	// Umask is by default 022.
	Umask *int64
	Nice  *int64
	// OOMScore is between -1000, never, and 1000.
	OOMScore *int64
	Limits   []Limit
	// Chdir is by default /.
	Chroot, Chdir, SetUID, SetGID string
	AppArmorLoad, AppArmorSwitch  string
	// CGroups holds the arguments of each cgroup stanza.
	CGroups [][]string
	Debug   bool

	lines    map[string]int
	warnings []Warning
}

// Line is where the stanza stands that counts, such as "respawn limit" or
// "pre-start"; 0 where there is none.
func (j *Job) Line(stanza string) int { return j.lines[stanza] }

// A Process is a command or a script.
type Process struct {
	// Text is the command line, or the script's lines.
	Text   string
	Script bool
	// raw is the command as it was written.
	raw string
}

// A RespawnLimit allows Count respawns in Interval seconds; 0 in either
// means no limit.
type RespawnLimit struct {
	Count    int32
	Interval int64
}

// A Limit is a resource limit; Unlimited is ^uint64(0).
type Limit struct {
	Resource   string
	Soft, Hard uint64
}

// Unlimited is the value of a limit that there is not.
const Unlimited = ^uint64(0)

// An Expr is an event with its arguments, or two expressions joined.
type Expr struct {
	// Op is "and" or "or", and "" for an event.
	Op          string
	Left, Right *Expr
	Event       string
	// Args are VALUE, KEY=VALUE or KEY!=VALUE; values are globs.
	Args []string
	Line int
}

// Events returns the events of an expression from left to right.
func (e *Expr) Events() []*Expr {
	switch {
	case e == nil:
		return nil
	case e.Op == "":
		return []*Expr{e}
	}
	return append(e.Left.Events(), e.Right.Events()...)
}

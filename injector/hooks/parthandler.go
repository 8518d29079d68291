package hooks

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"boothook/injector/userdata"
)

// ErrNoPython says that part handlers cannot run in this root.
var ErrNoPython = errors.New("the root has no python3, in which part handlers are written")

// partHandlers is the program that stands between handlers and parts.
//
//go:embed part_handlers.py
var partHandlers []byte

// A HandlerPart is a part as part handlers see it.
type HandlerPart struct {
	Index int    `json:"index"`
	Type  string `json:"type"`
	Name  string `json:"name"`
	Body  []byte `json:"body"`
	// Handler is the file of a part that is itself a handler.
	Handler string `json:"handler,omitempty"`
}

// FromPartHandlers makes one hook of all part handlers (text/part-handler)
// among the parts; false where there is none. The hook runs them by the
// root's own python3, as cloud-init documents them: each handler gets the
// later parts of the types it lists, built-in types included. The parts that
// they took are told in Result.Taken and are nobody else's. newPass says that
// the instance's user-data is consumed for the first time: later only
// handlers whose frequency is "always" are called.
func FromPartHandlers(parts []userdata.Part, newPass bool) (Hook, bool) {
	h := Hook{Kind: PartHandlers, Name: "part-handlers", Frequency: "always"}
	if newPass {
		h.Frequency = "once-per-instance"
	}
	for _, p := range parts {
		if p.Type == userdata.TypePartHandler && h.Origin == "" {
			h.Origin = p.Origin
		}
		if h.Origin != "" { // nobody wants what comes before the first handler
			h.Parts = append(h.Parts, HandlerPart{Index: p.Index, Type: p.Type, Name: p.Name, Body: p.Body})
		}
	}
	return h, h.Origin != ""
}

// prepareHandlers stores the handlers and gives the command that runs them.
func (s *sandbox) prepareHandlers(h Hook) ([]string, error) {
	python, err := findPython()
	if err != nil {
		return nil, err
	}
	dir := s.instance + "/handlers"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		dir = s.memory
	}
	job := struct {
		InstanceID string        `json:"instance_id"`
		Frequency  string        `json:"frequency"`
		Parts      []HandlerPart `json:"parts"`
	}{s.id, h.Frequency, h.Parts}
	count := 0
	for i := range job.Parts {
		p := &job.Parts[i]
		if p.Type != userdata.TypePartHandler {
			continue
		}
		p.Handler = fmt.Sprintf("%s/part-handler-%03d.py", dir, count)
		count++
		if err := store(p.Handler, p.Body, 0o600); err != nil {
			return nil, fmt.Errorf("write %s: %w", p.Handler, err)
		}
		p.Body = nil
	}
	body, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("describe parts: %w", err)
	}
	program, jobFile := s.memory+"/part_handlers.py", s.memory+"/parts.json"
	for path, content := range map[string][]byte{program: partHandlers, jobFile: body} {
		if err := store(path, content, 0o600); err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
	}
	return []string{python, program, jobFile, s.takenFile()}, nil
}

func (s *sandbox) takenFile() string { return s.memory + "/taken.json" }

// taken reads which parts the handlers took.
func (s *sandbox) taken() ([]int, error) {
	body, err := os.ReadFile(s.takenFile())
	if err != nil {
		return nil, fmt.Errorf("part handlers did not come to their end: %w", err)
	}
	var indexes []int
	if err := json.Unmarshal(body, &indexes); err != nil {
		return nil, fmt.Errorf("read what part handlers took: %w", err)
	}
	return indexes, nil
}

// findPython gives the root's python3.
func findPython() (string, error) {
	for _, path := range []string{"/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3", "/usr/libexec/platform-python"} {
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", ErrNoPython
}

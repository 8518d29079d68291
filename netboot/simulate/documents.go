package simulate

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// documents answers GET for paths, which begin with a slash; nil bodies and
// unknown paths are 404.
type documents map[string][]byte

func (d documents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	body, ok := d[r.URL.Path]
	if !ok || body == nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Write(body)
}

// jsonOf renders v; what this package renders always can be.
func jsonOf(v any) []byte {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return b
}

// jsonError answers in the form that Azure and others give errors.
func jsonError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{ "error": %q }`, message)
}

// text gives a body as a JSON string would hold it; nil for none.
func text(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}

// keys gives keys as a list that is never null.
func (m Machine) keys() []string {
	return append([]string{}, m.PublicKeys...)
}

package instance

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.org/a/b":                       "https://example.org/a/b",
		" http://10.0.0.1:8080/x ":                      "http://10.0.0.1:8080/x",
		"https://user:hunter2@example.org/a":            "https://example.org/a",
		"https://user@example.org:8443/a":               "https://example.org:8443/a",
		"https://example.org/a?X-Amz-Signature=hunter2": "https://example.org/a?…",
		"https://example.org/a#hunter2":                 "https://example.org/a#…",
		"https://example.org/@scope/package":            "https://example.org/@scope/package",
		"https://example.org:443/@scope/package":        "https://…@scope/package",
		"user:hunter2@example.org/a":                    "example.org/a",
		"https:/user:hunter2@example.org/a":             "…@example.org/a",
		"https:user:hunter2@example.org":                "example.org",
		"https//user:hunter2@example.org/":              "…@example.org/",
		"https://user:hun/ter2@example.org/":            "https://…@example.org/",
		"https:///user:hunter2@example.org/":            "https://…@example.org/",
		"https://user:hunter2@a@example.org/":           "https://example.org/",
		"https://user:hunter2@example.org/?a#b":         "https://example.org/?…",
		"https://ex\x1bample.org/\n":                    "https://ex?ample.org/",
		"https://[::1]:80/a":                            "https://[::1]:80/a",
		"http://user:hunter2@ex ample.org/%zz":          "http://ex ample.org/%zz",
		"/etc/file@host":                                "…@host",
		"http:hunter2":                                  "http:…",
		"user:hunter2":                                  "user:…",
		"://hunter2":                                    ":…",
		"example.org/a":                                 "example.org/a",
		"file:///srv/file":                              "file:///srv/file",
		"@":                                             "…",
		"user:hunter2@":                                 "…",
		" \n":                                           "…",
		"":                                              "",
	} {
		if got := Redact(address); got != want {
			t.Errorf("%q is shown as %q, want %q", address, got, want)
		}
	}
	if got := Redact("https://example.org/" + strings.Repeat("a", 5000)); len(got) > maxShown+len("…") {
		t.Errorf("%d bytes are shown", len(got))
	}
}

// FuzzRedact: whatever stands before an "@" in the place of a user is not
// shown, nor what comes after "?" or "#".
func FuzzRedact(f *testing.F) {
	for _, s := range []string{"https://u:p@h/a?b#c", "u:p@h", "https:/u:p@h", "https://u:a/b@h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := Redact(s)
		if (shown == "") != (s == "") {
			t.Errorf("%q is shown as %q", s, shown)
		}
		if len(shown) > maxShown+8 || strings.ContainsAny(shown, "\x00\x1b\n") {
			t.Errorf("%q is shown as %q", s, shown)
		}
		if i := strings.IndexAny(s, "?#"); i >= 0 && len(shown) > 0 && strings.Contains(shown, s[i:]) && len(s[i:]) > 4 {
			t.Errorf("%q is shown as %q", s, shown)
		}
		for _, before := range []string{"https://", "htps:/", "https:", "", "https//", "https:///"} {
			address := before + "user:hunter2" + strings.NewReplacer("?", "", "#", "", "://", "").Replace(s) + "@host/"
			if shown := Redact(address); strings.Contains(shown, "hunter2") {
				t.Errorf("%q is shown as %q", address, shown)
			}
		}
	})
}

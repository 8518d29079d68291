package jobs

import (
	"testing"

	"boothook/injector/plan"
)

// Who has switched cloud-init off does not rely on it, whichever file says so.
func TestCloudInitIsOff(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		want             bool
	}{
		{"nobody", "/etc/hostname", "", false},
		{"the marker", disabledMarker, "", true},
		{"the marker that boothook has written", disabledMarker, writtenByUs + ".\n", false},
		{"ds-identify's policy", identifyConfig, "policy: disabled\n", true},
		{"among others, quoted, commented", identifyConfig, "# x\ndatasource: Ec2\n policy : \"found=all,disabled\" # y\n", true},
		{"another policy", identifyConfig, "policy: search,notfound=disabled\n", false},
		{"a later line", identifyConfig, "policy: disabled\npolicy: search\n", false},
		{"in a comment", identifyConfig, "#policy: disabled\n", false},
	} {
		if got := CloudInitIsOff(&plan.Facts{Files: map[string]string{tt.file: tt.text}}); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts call the tool as a program of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"boothook": main})
}

// Each script in testdata/script is one behaviour of the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Condition: func(name string) (bool, error) {
		if name != "bash-completion" {
			return false, fmt.Errorf("no condition %q", name)
		}
		_, err := os.Stat("/usr/share/bash-completion/bash_completion")
		return err == nil, nil
	}})
}

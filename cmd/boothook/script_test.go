package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts call the tool as a program of its own.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"boothook": func() {
			os.Exit(Main(context.Background(), env{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
		},
	})
}

// Each script in testdata/script is one behaviour of the command line.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

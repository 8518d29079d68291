package injector

import (
	"fmt"
	"slices"

	"boothook/injector/cloudconfig"
	"boothook/injector/jobs"
	"boothook/injector/network"
	"boothook/injector/plan"
)

// A factReader is a root that facts can be read of.
type factReader interface {
	Facts(also ...string) (plan.Facts, error)
	InitOf(path string) plan.Init
}

// A networkReader is a root whose files can be added to facts.
type networkReader interface {
	ReadFiles(f *plan.Facts, files, folders, libraries []string)
}

// readFacts reads what the root is like, and whether the paths in also exist.
// Init is the init that the kernel's command line asks for; empty for none.
func readFacts(r factReader, init string, also ...string) (*plan.Facts, error) {
	facts, err := r.Facts(also...)
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	if init != "" {
		if kind := r.InitOf(init); kind != plan.UnknownInit {
			facts.Init = kind // another, such as a shell, is for a repair
		}
	}
	return &facts, nil
}

// readNetworkFacts adds what is there already of the root's network, and of who
// configures it.
func readNetworkFacts(r networkReader, facts *plan.Facts) {
	r.ReadFiles(facts, slices.Concat(network.AskFiles(), jobs.AskFiles()), network.AskFolders(), network.AskLibraries())
}

// planPaths are the paths that planning asks about.
func planPaths() []string {
	return slices.Concat(cloudconfig.AskExists(), network.AskExists(), []string{upgradedNetwork})
}

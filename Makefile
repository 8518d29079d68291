# make boot  builds, bakes, boots a real Debian root, shows what happened
# make test  everything that has to hold, real servers and QEMU boots included
# The rest is listed by "make help".

VERSION := $(shell scripts/release/version)
GO ?= go
OUT ?= bin
export CGO_ENABLED := 0
# -trimpath and an empty build id make the same source give the same bytes.
LDFLAGS := -s -w -buildid= -funcalign=2 -X main.version=$(VERSION)
# The agent's bytes are read and unpacked at each boot. Without inlining (-l) it
# is 6 % smaller, for half a millisecond of processor time; with short names for
# generic code, allocations that are not made twice, and the collector of Go
# 1.25 (the choice ends with Go 1.27) it is another 70 KB smaller.
GOBUILD := $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
AGENTBUILD := GOEXPERIMENT=nogreenteagc $(GOBUILD) -gcflags='all=-l -d=maxshapelen=32,variablemakethreshold=0'
# RACE=1 builds the agent with the race detector, which needs cgo. It is static
# all the same, because it also runs in roots without libraries.
ifeq ($(RACE),1)
AGENTBUILD := CGO_ENABLED=1 $(GO) build -race -tags netgo,osusergo -trimpath -buildvcs=false -ldflags '-linkmode=external -extldflags=-static -X main.version=$(VERSION)'
endif
ACTIONLINT := $(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
TAGS := net boot inits powercut faults bench package daemons upstart attack

.PHONY: help setup build rescue boot bench test check unit cover race race-part test-net test-boot test-early test-inits test-network-boots test-faults test-matrix test-arm test-examples bench-bake bench-initrd package test-package test-workflow test-powercut test-roots test-upstart test-network-daemons attack conformance conformance-network conformance-sources fuzz fuzz-jinja mutate size clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## install what is needed from Debian
	scripts/setup

build: ## the binaries, in bin/ (OUT=, GOARCH=)
	$(GOBUILD) -o $(OUT)/boothook ./cmd/boothook
	$(AGENTBUILD) -o $(OUT)/boothook-agent ./cmd/boothook-agent
	$(GOBUILD) -o $(OUT)/boothook-extra ./cmd/boothook-extra

RESCUE ?= bin/boothook-rescue
rescue: ## u-root's commands in one program, for boothook build --rescue
	$(GO) tool makebb -go-build-tags goshsmall -o $(RESCUE) \
		$$(sed 's|^|github.com/u-root/u-root/cmds/core/|' initramfs/bake/rescue.txt)

boot: setup build ## bake and boot a real Debian root against simulated EC2 metadata
	scripts/demo

test: setup build check unit cover race-part test-net test-boot ## everything

check: build ## gofmt, vet and staticcheck, the other processor, the agent's size
	@test -z "$$(gofmt -l cmd initramfs netboot injector scripts)" || { gofmt -d cmd initramfs netboot injector scripts; exit 1; }
	$(GO) vet -tags '$(TAGS)' ./...
	$(STATICCHECK) -tags '$(TAGS)' ./...
	$(ACTIONLINT)
	GOARCH=arm64 $(GO) vet -tags '$(TAGS)' ./...
	GOARCH=arm64 $(GO) build -o /dev/null ./cmd/...
	scripts/size

unit: ## tests that need nothing
	scripts/gotest unit

cover: ## how much of the packages that tell the story "make unit" reaches
	scripts/cover

race: setup ## unit and namespace tests with the race detector, in the agent too (long, root)
	scripts/gotest race
	scripts/gotest race-net

# What "make test" runs of it: where goroutines meet.
race-part:
	scripts/gotest race ./initramfs/... ./netboot ./netboot/nic/... ./netboot/fetch ./netboot/dial ./injector
	scripts/gotest race-net ./scripts/nettest

test-net: ## the agent in network namespaces against real dnsmasq (root)
	scripts/gotest net

test-boot: ## QEMU boots (root)
	scripts/gotest boot

test-early: setup ## the table of what the first boot obeys, with the boots behind it (long, root)
	$(GO) test -count=1 -v -timeout 30m -tags boot,inits -run TestEarly ./scripts/boottest

test-inits: setup ## boots of systemd, sysvinit, OpenRC and runit with the same user-data (long, root)
	$(GO) test -count=1 -v -timeout 90m -tags boot,inits -run 'TestInits|TestSysvinit|TestServicesOfRealRoots|TestKeep' ./scripts/boottest

test-network-boots: setup ## boots of netplan, networkd and ifupdown, reached from outside by what a network-config or a source says (long, root)
	$(GO) test -count=1 -v -timeout 60m -tags boot,inits -run '^Test(Network|Source)' ./scripts/boottest

test-faults: setup ## the fault table of the network, on a quiet machine (long, root)
	$(GO) test -count=1 -v -timeout 60m -tags net,faults -run 'TestFaults|TestReady|TestVLAN' ./scripts/nettest

bench: setup ## the agent beside a shell script and ignition, and how its time grows (long, root)
	scripts/bench

test-matrix: setup build ## bake and boot the initrds of every generator (long)
	scripts/setup binutils bzip2 systemd-boot-efi xz-utils
	scripts/matrix

test-arm: setup build ## bake and boot Debian for arm64 (long)
	scripts/setup qemu-efi-aarch64 qemu-system-arm qemu-user-static
	scripts/matrix arm64/initramfs-tools arm64/build

test-examples: setup ## run the pages of docs/examples as they are printed (long, root)
	scripts/examples/run

bench-initrd: setup ## what each generator's initrd takes longer with the agent (half an hour, root)
	scripts/setup binutils bzip2 systemd-boot-efi xz-utils
	$(GO) test -count=1 -v -timeout 3h -tags boot,bench -run '^TestInitrdCost$$' ./scripts/boottest

bench-bake: build ## time, memory and bytes of baking, beside cat (root, for the initrds)
	$(GO) run ./scripts/bakecost $$(scripts/initrds trixie)/mkosi $$(scripts/image plain)/initrd.img

package: setup ## Debian and RPM packages with SBOMs for amd64 and arm64, in bin/release/
	scripts/release/package

test-package: setup ## install the packages in real roots, boot, remove, boot; and build them twice (long, root)
	scripts/setup lintian rpm shellcheck
	scripts/release/check
	$(GO) test -count=1 -v -timeout 60m -tags boot,package -run TestPackage ./scripts/boottest

test-workflow: setup ## the steps of the public CI's first job in a fresh Debian (JOB=, long, root)
	scripts/workflow/run $(JOB)

test-powercut: setup ## cut the power in the middle of an apply, and kill it (long, root)
	$(GO) test -count=1 -tags powercut -run TestPowerCut -v -timeout 20m ./injector/root
	BOOTHOOK_KILLS=500 $(GO) test -count=1 -run TestKilled -v ./injector/root

test-upstart: setup ## boot a root of the upstart kit in UPSTART=DIR for each line of docs/jobs.md on ec2-boot-hook (long, root)
	@test -n "$(UPSTART)" || { echo "make test-upstart: UPSTART=DIR must name the upstart kit, with its mkroot and boot" >&2; exit 2; }
	BOOTHOOK_UPSTART=$(abspath $(UPSTART)) $(GO) test -count=1 -v -timeout 90m -tags upstart ./scripts/upstarttest

attack: setup ## packets, kills, clocks, full disks and neighbours that lie, drawn by chance (SEED=, long, root)
	scripts/attack/run $(SEED)

test-roots: setup build ## the same user-data on Debian's init systems and busybox (long, root)
	scripts/realroots/run

conformance: setup ## decode as the real cloud-init of Debian 12 and 13 does
	sh scripts/conformance/run.sh

conformance-network: setup ## network files beside cloud-init's renderers and netplan's generator (root)
	scripts/networkconformance/run.sh

test-network-daemons: setup ## show network files to networkd, ifupdown, NetworkManager and netplan of Debian 12 and 13 (half an hour, root)
	scripts/setup user-mode-linux
	$(GO) test -count=1 -v -timeout 60m -tags daemons ./scripts/networkdaemons

conformance-sources: setup ## metadata documents beside what Debian 13's cloud-init makes of them (root)
	scripts/sourceconformance/run.sh

fuzz: ## every fuzz target for ten minutes (FUZZTIME=)
	scripts/fuzz $(FUZZTIME)

TEMPLATES ?= 100000
fuzz-jinja: ## templates drawn by chance, rendered here and by Debian 13's cloud-init (TEMPLATES=, SEED=; root)
	sh scripts/conformance/chroot.sh trixie build/conformance/trixie
	$(GO) run ./scripts/conformance/jinja --chroot build/conformance/trixie --templates $(TEMPLATES) $(if $(SEED),--seed $(SEED))

STORIES := ./initramfs/agent ./injector ./netboot ./netboot/nic
mutate: ## mutants drawn by chance, and the unit test that notices each (SEED=, MUTANTS=20; long)
	$(GO) run ./scripts/mutate -n $(or $(MUTANTS),20) $(if $(SEED),-seed $(SEED)) $(STORIES)

size: build ## what the agent weighs, against its budget
	scripts/size

clean: ## remove everything made here
	rm -rf bin build

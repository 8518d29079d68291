package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"boothook/cmd/boothook/vm"
	"boothook/netboot/simulate"
)

const serveHelp = `Runs a simulated metadata service alone, until interrupted. It answers as the
cloud does, errors included, and logs each request on standard error. The
address it listens at is printed on standard output.

With --volume it writes the volume that the cloud attaches to its machines, as
the image of a vfat disk, and ends.`

// A serveCommand is what "boothook serve" was asked for.
type serveCommand struct {
	cloud, listen        string
	volume               string
	userData, vendorData string
	machine              simulate.Machine
	server               simulate.Server
}

func newServe() *cobra.Command {
	var s serveCommand
	cmd := &cobra.Command{
		Use:               "serve [--cloud NAME] [flags]",
		Short:             "run a simulated metadata service",
		Long:              serveHelp,
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.cloud, "cloud", defaultCloud, "the `cloud` to simulate: "+strings.Join(cloudNames(), ", ")+"; with --volume "+strings.Join(volumeNames(), ", "))
	flags.StringVar(&s.volume, "volume", "", "write the cloud's volume to this `file` instead of running a service")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:0", "the `address` to listen at, HOST:PORT")
	flags.StringVar(&s.userData, "user-data", "", "a `file` with the user-data; - is standard input")
	flags.StringVar(&s.vendorData, "vendor-data", "", "a `file` with the vendor-data")
	flags.StringVar(&s.machine.InstanceID, "instance-id", "i-0123456789abcdef0", "the instance's `id`")
	flags.StringVar(&s.machine.Hostname, "hostname", "ip-10-0-0-10.ec2.internal", "the instance's `name`")
	flags.IntVar(&s.machine.LaunchIndex, "launch-index", 0, "the instance's `number` in its launch")
	flags.Func("key", "an OpenSSH public `key`, or a file with some; may be repeated", func(word string) error {
		keys, err := publicKeys(word)
		s.machine.PublicKeys = append(s.machine.PublicKeys, keys...)
		return err
	})
	flags.Func("nic", "a `NIC` that the cloud describes, as MAC=ADDRESS/BITS[,GATEWAY]; may be repeated", func(word string) error {
		nic, err := simulate.ParseNIC(word)
		s.machine.NICs = append(s.machine.NICs, nic)
		return err
	})
	flags.StringVar(&s.machine.Password, "password", "", "the default user's `password`, on clouds that have one to give")
	faults := &s.server.Faults
	flags.DurationVar(&faults.Delay, "delay", 0, "how `long` each answer is held back")
	flags.IntVar(&faults.Status, "fail", 0, "answer with this `status` instead")
	flags.IntVar(&faults.Times, "times", 0, "how `many` requests fail; 0: all")
	flags.StringVar(&faults.Path, "path", "", "only requests below this `path` fail")
	flags.BoolVar(&faults.Hang, "hang", false, "never answer instead")
	flags.BoolVar(&faults.Reset, "reset", false, "reset the connection instead")
	completes(cmd, "cloud", slices.Compact(slices.Sorted(slices.Values(append(cloudNames(), volumeNames()...))))...)
	completesNothing(cmd, "listen", "instance-id", "hostname", "launch-index", "nic", "password", "delay", "fail", "times", "path")
	return cmd
}

func (s *serveCommand) run(cmd *cobra.Command) error {
	cloud, err := simulate.Find(s.cloud)
	volume, noVolume := simulate.FindVolume(s.cloud)
	switch {
	case s.volume != "":
		err = noVolume
	case err != nil && noVolume == nil:
		err = fmt.Errorf("%s has no service but a volume: name a file for it with --volume", s.cloud)
	}
	if err != nil {
		return usagef("serve: %w", err)
	}
	if s.machine.UserData, err = readOptional(cmd, s.userData); err != nil {
		return err
	}
	if s.machine.VendorData, err = readOptional(cmd, s.vendorData); err != nil {
		return err
	}
	if s.volume != "" {
		return vm.MakeVolume(cmd.Context(), s.volume, volume.Label, volume.Files(s.machine))
	}
	ln, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", s.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s at http://%s/\n", cloud.Name, ln.Addr())
	if cloud.Address != "" {
		cmd.PrintErrf("boothook: machines of that cloud expect it at http://%s/\n", cloud.Address)
	}
	s.server.Handler = cloud.New(s.machine)
	s.server.Log = func(r simulate.Entry) {
		cmd.PrintErrf("%s connection %d: %s %s: %d, %d bytes, %v\n",
			r.Time.Format("15:04:05.000"), r.Conn, r.Method, r.Path, r.Status, r.Bytes, r.Took)
	}
	return s.server.Serve(cmd.Context(), ln)
}

func cloudNames() []string {
	var names []string
	for _, c := range simulate.Clouds() {
		names = append(names, c.Name)
	}
	return names
}

func volumeNames() []string {
	var names []string
	for _, v := range simulate.Volumes() {
		names = append(names, v.Name)
	}
	return names
}

// publicKeys reads a key, or the file that holds some.
func publicKeys(s string) ([]string, error) {
	if strings.Contains(s, " ") {
		return []string{s}, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("neither a key nor a file: %s", s)
		}
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' || r == '\r' }), nil
}

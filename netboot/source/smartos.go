package source

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"boothook/netboot/fetch"
	"boothook/netboot/instance"
	"boothook/netboot/platform"
)

// SmartOS gives a machine its metadata over the second serial port, one key at
// a time, in the Joyent Metadata Protocol, version 2
// (https://eng.tritondatacenter.com/mdata/protocol.html).
const (
	smartosPort = "ttyS1"
	smartosID   = "sdc:uuid"
	smartosName = "sdc:hostname"
	smartosHost = "hostname"
	smartosKeys = "root_authorized_keys"
	smartosUser = "cloud-init:user-data"
	smartosVend = "sdc:vendor-data"
	// The network, and what says which values are base64: all of them, those
	// that a list names, or those that have a neighbour called b64-NAME.
	smartosNICs   = "sdc:nics"
	smartosRoutes = "sdc:routes"
	smartosDNS    = "sdc:resolvers"
	smartosDomain = "sdc:dns_domain"
	smartosAll64  = "base64_all"
	smartosSome64 = "base64_keys"
	smartosB64    = "b64-"
	// The scripts of those who run the cloud and of its user: both run late
	// on every boot, unless there is vendor-data to say otherwise.
	smartosOper = "sdc:operator-script"
	smartosScri = "user-script"
	// smartosTry bounds the wait for one answer; what the port held before is
	// dropped, and so is an answer to an earlier question.
	smartosTry = 5 * time.Second
	// maxFrame is the longest answer, in bytes: a document in base64, twice.
	maxFrame = 2 * fetch.MaxDocument
)

func smartOS() *Source {
	return &Source{
		Name: "smartos", fetch: fetchSmartOS, parse: parseSmartOS,
		Rules: []platform.Rule{{Platform: "smartos", Fact: platform.Fact{Of: "product_name", Is: "SmartDC*"}, HardwareID: platform.ProductUUID}},
	}
}

func fetchSmartOS(ctx context.Context, env *Env) (Docs, error) {
	port, err := openSerial(filepath.Join(env.Dev, smartosPort))
	if err != nil {
		return nil, err
	}
	defer port.Close()
	defer context.AfterFunc(ctx, func() { port.SetDeadline(time.Now()) })()
	j := jmc{port: port, in: bufio.NewReader(port)}
	if err := j.negotiate(); err != nil {
		return nil, fmt.Errorf("metadata port: %w", err)
	}
	got := Docs{}
	for _, key := range smartosAsked() {
		body, err := j.get(key)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fetch.ErrNotFound):
		case err != nil:
			return nil, fmt.Errorf("metadata key %s: %w", key, err)
		default:
			got[key] = body
		}
	}
	return got, nil
}

// smartosMay64 are the keys whose values may be in base64.
func smartosMay64() []string { return []string{smartosUser, smartosVend, smartosOper} }

// smartosAsked are the keys that are asked for.
func smartosAsked() []string {
	keys := []string{smartosID, smartosName, smartosHost, smartosKeys, smartosUser, smartosVend, smartosOper, smartosScri,
		smartosNICs, smartosRoutes, smartosDNS, smartosDomain, smartosAll64, smartosSome64}
	for _, key := range smartosMay64() {
		keys = append(keys, smartosB64+key)
	}
	return keys
}

// smartosDecode undoes the base64 that the values are said to be in.
func smartosDecode(in *instance.Instance, got Docs) Docs {
	out := Docs{}
	some := strings.Split(got.text(smartosSome64), ",")
	for key, body := range got {
		said := yes(got.text(smartosAll64)) || slices.Contains(some, key) || yes(got.text(smartosB64+key))
		// What the cloud itself says never is, nor what cloud-init excepts.
		if said && slices.Contains(smartosMay64(), key) {
			body = promised(in, key, string(body))
		}
		out[key] = body
	}
	return out
}

func yes(text string) bool {
	return slices.Contains([]string{"true", "1", "on", "yes"}, strings.ToLower(text))
}

// smartosNetwork turns the NICs: their addresses, or where they come from. The
// gateways are those of the primary NIC; a route belongs to every NIC that has
// addresses of its family.
func smartosNetwork(in *instance.Instance, got Docs) []byte {
	// The values are lists, which are read as the only key of a mapping.
	read := func(key string) object {
		if got[key] == nil {
			return nil
		}
		return beside(in, key, []byte(`{"list":`+string(got[key])+`}`))
	}
	c := netConfig{}
	servers, _ := read(smartosDNS)["list"].([]any)
	domain := fields(got.text(smartosDomain))
	routes := read(smartosRoutes).items("list")
	for _, nic := range read(smartosNICs).items("list") {
		name := nic.str("interface")
		l := c.ethernet(name, nic.str("mac"))
		l.set("set-name", name)
		l.number("mtu", nic["mtu"])
		static := false
		for _, ip := range list(nic["ips"]) {
			switch ip {
			case "dhcp":
				l.set("dhcp4", true)
			case "addrconf":
				l.set("dhcp6", true)
			default:
				l.more("addresses", ip)
				static = true
			}
		}
		if !static {
			continue
		}
		if primary, _ := nic["primary"].(bool); primary {
			var four, six bool
			for _, gw := range list(nic["gateways"]) {
				gw, _ := gw.(string)
				seen := &four
				if strings.Contains(gw, ":") {
					seen = &six
				}
				if !*seen {
					*seen = true
					l.route("", gw)
				}
			}
		}
		for _, r := range routes {
			l.route(r.str("dst"), r.str("gateway"))
		}
		l.servers(servers...)
		if len(servers) > 0 {
			l.search(domain...)
		}
		servers = nil // once is enough
	}
	return c.document()
}

func parseSmartOS(got Docs, _ *platform.Evidence) (*instance.Instance, error) {
	in := &instance.Instance{}
	got = smartosDecode(in, got)
	in.ID = got.text(smartosID)
	in.Hostname = cmp.Or(got.text(smartosHost), got.text(smartosName), in.ID)
	in.PublicKeys = keyLines(got.text(smartosKeys))
	in.UserData, in.VendorData = got[smartosUser], got[smartosVend]
	in.NetworkConfig = smartosNetwork(in, got)
	if in.VendorData == nil {
		in.VendorData = smartosScripts(got)
	}
	in.MetaData = map[string]any{"instance-id": in.ID, "local-hostname": in.Hostname}
	return in, nil
}

// smartosScripts is the vendor-data that puts the scripts where those of every
// boot are run, under the names that cloud-init gives them; nil for none.
func smartosScripts(got Docs) []byte {
	var files []object
	for _, s := range [][2]string{{smartosOper, "01_operator-script"}, {smartosScri, "02_user-script"}} {
		if body := got[s[0]]; body != nil {
			files = append(files, object{
				"path": "/var/lib/cloud/scripts/per-boot/" + s[1], "permissions": "0700",
				"encoding": "b64", "content": base64.StdEncoding.EncodeToString(body),
			})
		}
	}
	if files == nil {
		return nil
	}
	return cloudConfig(object{"write_files": files})
}

// openSerial opens a serial port without line discipline: bytes as they are.
func openSerial(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		mode.Iflag, mode.Oflag, mode.Lflag = 0, 0, 0
		mode.Cflag = mode.Cflag&^unix.CSIZE | unix.CS8 | unix.CREAD | unix.CLOCAL
		mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
		err = unix.IoctlSetTermios(fd, unix.TCSETS, mode)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set up %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// A jmc is one side of the protocol.
type jmc struct {
	port *os.File
	in   *bufio.Reader
	last uint32 // the last request's number
}

// negotiate asks for version 2. The empty line ends what somebody else may
// have begun to write.
func (j *jmc) negotiate() error {
	if err := j.send("\nNEGOTIATE V2\n"); err != nil {
		return err
	}
	for {
		line, err := j.line()
		if err != nil {
			return err
		}
		if line == "V2_OK" {
			return nil
		}
	}
}

// get asks for the value of a key.
func (j *jmc) get(key string) ([]byte, error) {
	j.last++
	id := fmt.Sprintf("%08x", j.last)
	body := id + " GET " + base64.StdEncoding.EncodeToString([]byte(key))
	if err := j.send(jmcFrame(body)); err != nil {
		return nil, err
	}
	for {
		line, err := j.line()
		if err != nil {
			return nil, err
		}
		answer, err := jmcBody(line)
		if err != nil {
			return nil, err
		}
		if rest, ours := strings.CutPrefix(answer, id+" "); ours {
			return jmcValue(rest)
		}
	}
}

func (j *jmc) send(text string) error {
	if err := j.port.SetDeadline(time.Now().Add(smartosTry)); err != nil {
		return err
	}
	_, err := io.WriteString(j.port, text)
	return err
}

// line reads a line of at most maxFrame bytes, without its end.
func (j *jmc) line() (string, error) {
	var line strings.Builder
	for {
		piece, err := j.in.ReadSlice('\n')
		if line.Len()+len(piece) > maxFrame {
			return "", fetch.ErrTooLarge
		}
		line.Write(piece)
		if err == nil {
			return strings.TrimRight(line.String(), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

// jmcFrame wraps a body: its length, its sum, itself.
func jmcFrame(body string) string {
	return fmt.Sprintf("V2 %d %08x %s\n", len(body), crc32.ChecksumIEEE([]byte(body)), body)
}

// jmcBody unwraps one.
func jmcBody(line string) (string, error) {
	rest, ok := strings.CutPrefix(line, "V2 ")
	size, rest, _ := strings.Cut(rest, " ")
	sum, body, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(size)
	want, sumErr := strconv.ParseUint(sum, 16, 32)
	if !ok || err != nil || sumErr != nil || n != len(body) || uint32(want) != crc32.ChecksumIEEE([]byte(body)) {
		return "", fmt.Errorf("%w: a frame that does not add up", ErrMalformed)
	}
	return body, nil
}

// jmcValue reads what comes after the request's number.
func jmcValue(answer string) ([]byte, error) {
	code, value, _ := strings.Cut(answer, " ")
	switch code {
	case "SUCCESS":
		return fromBase64(value)
	case "NOTFOUND":
		return nil, fetch.ErrNotFound
	}
	return nil, fmt.Errorf("%w: answer %.20q", ErrMalformed, code)
}

package upstart

// A Kind is one of the ways in which upstart rejects a file; its value is
// upstart's own message.
type Kind string

// The errors of libnih's configuration reader and of upstart's stanzas.
const (
	ExpectedToken     Kind = "Expected token"
	UnexpectedToken   Kind = "Unexpected token"
	TrailingSlash     Kind = "Trailing slash in file"
	UnterminatedQuote Kind = "Unterminated quoted string"
	UnterminatedBlock Kind = "Unterminated block"
	UnknownStanza     Kind = "Unknown stanza"
	IllegalInterval   Kind = "Illegal interval, expected number of seconds"
	IllegalExit       Kind = "Illegal exit status, expected integer"
	IllegalSignal     Kind = "Illegal signal status, expected integer"
	IllegalUmask      Kind = "Illegal file creation mask, expected octal integer"
	IllegalNice       Kind = "Illegal nice value, expected -20 to 19"
	IllegalOOM        Kind = "Illegal oom adjustment, expected -16 to 15 or 'never'"
	IllegalOOMScore   Kind = "Illegal oom score adjustment, expected -999 to 1000 or 'never'"
	IllegalLimit      Kind = "Illegal limit, expected 'unlimited' or integer"
	ExpectedEvent     Kind = "Expected event"
	ExpectedOperator  Kind = "Expected operator"
	ExpectedVariable  Kind = "Expected variable name before value"
	MismatchedParens  Kind = "Mismatched parentheses"
	// TooLarge is this package's own: upstart has no limit.
	TooLarge Kind = "File is too large"
)

// An Error says why and where upstart rejects a file.
type Error struct {
	Kind Kind
	// Line is 1-based and stands where upstart's reader stood: for an
	// unterminated quote or block past the end of the file.
	Line int
	// Offset is the place in bytes.
	Offset int
}

func (e *Error) Error() string { return string(e.Kind) }

// A Warning is about something that upstart accepts.
type Warning struct {
	Line    int
	Message string
}

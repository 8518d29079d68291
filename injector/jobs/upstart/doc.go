// Package upstart reads and writes upstart's job files.
//
// Parse takes the bytes of a file and gives the Job, or the Error that
// upstart 1.13.2 itself would print, in its words and at its line: the
// tokenizer follows libnih's, quirks included, because a job that this
// package accepts must be one that upstart accepts. Print writes a Job so
// that Parse reads the same one back. Warnings names what upstart accepts and
// nobody can have meant. The package does no I/O and knows no other init.
package upstart

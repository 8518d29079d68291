// Package userdata decodes cloud user-data: bytes go in, typed parts and
// wants come out.
//
// Decode is pure. It reads no file and asks no network: the addresses that
// an #include names come back as wants, and the caller decodes again with
// their answers until no want is left. The same bytes, answers and limits
// always give the same result.
//
// What is accepted, how a part is called and of what type it is follows
// cloud-init (docs/userdata.md goes through it row by row). Two things are
// different on purpose. One bad part never loses the others: it is
// kept, carries an error, and decoding goes on. And bytes stay exact: apart
// from transfer encoding and gzip, which are undone, a body is what was
// written, be it UTF-8 or not. UnixLines is for whoever writes a script.
//
// Render fills in the templates among the parts. Nothing here runs or merges
// anything, or knows the machine's launch index: a part says what it asks for.
package userdata

// Package userdata decodes cloud user-data: bytes in, typed parts and wants
// out. It does no I/O and knows neither networks nor roots.
package userdata

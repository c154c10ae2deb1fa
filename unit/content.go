package unit

// ContentID is the SHA-256 of a unit file's bytes, 64 lower-case hexadecimal digits.
type ContentID string

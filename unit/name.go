package unit

// Name is the name of a systemd unit, such as "web@1.service".
// A Name made by ParseName is valid.
type Name string

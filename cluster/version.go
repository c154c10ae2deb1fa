package cluster

// Version is fleet's own version, semantic versioning (semver.org 2.0.0). A
// machine's record carries the version of its fleetd.
const Version = "2.0.0"

package main

// stateFile is what a directory of exported unit files has besides.
const stateFile = "fleet.json"

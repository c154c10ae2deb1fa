// Package journal is the vocabulary of systemd's journal: which entries are asked
// for (Query), how they travel (a line of JSON each, as journalctl --output=json
// writes them, with the machine they are from), how those of several machines
// become one sequence (Merge), and how journalctl would print them (Printer).
//
// It reads no journal: package systemd does, with journalctl. It keeps nothing,
// and every function may be called from several goroutines.
//
// What is printed is what journalctl of systemd 252 prints, byte for byte, with
// two exceptions: JSON does not say in which order an entry has its fields, so
// that verbose and export sort them; and long values are shown whole everywhere.
package journal

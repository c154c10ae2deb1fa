// Package storetest is what every registry.Store must do, as tests. They run
// on registry/memory and on a real etcd; that both pass is what makes tests on the former worth something.
package storetest

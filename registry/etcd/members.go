package etcd

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
)

// Members returns the client URLs of all members of the cluster that others can reach, sorted: those
// on the loopback interface are left out.
func (c *Client) Members(ctx context.Context) ([]string, error) {
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	resp, err := c.etcd.MemberList(limited)
	if err != nil {
		return nil, c.explain(ctx, limited, "list the members of etcd", err)
	}
	var urls []string
	for _, m := range resp.Members {
		for _, u := range m.ClientURLs {
			if reachable(u) {
				urls = append(urls, u)
			}
		}
	}
	slices.Sort(urls)
	return slices.Compact(urls), nil
}

func reachable(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host, _, err := net.SplitHostPort(u.Host)
	if err != nil || host == "localhost" {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback() && !ip.IsUnspecified()
}

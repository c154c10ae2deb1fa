package main

import "testing"

func TestWhatIsAdvertisedIsWhatOthersReach(t *testing.T) {
	for _, c := range []struct{ listen, advertise, want string }{
		{"", "", ""},
		{"https://0.0.0.0:7001", "", "https://10.0.0.1:7001"},
		{"https://[::]:7001", "", "https://10.0.0.1:7001"},
		{"https://:7001", "", "https://10.0.0.1:7001"},
		{"https://192.0.2.7:7001", "", "https://192.0.2.7:7001"},
		{"https://127.0.0.1:7001", "", ""},
		{"https://localhost:7001", "", ""},
		{"https://0.0.0.0:0", "", ""},
		{"https://127.0.0.1:7001", "https://web1.example.com:443", "https://web1.example.com:443"},
	} {
		if got := (Settings{APIListen: c.listen, APIAdvertise: c.advertise}).advertised("10.0.0.1"); got != c.want {
			t.Errorf("api_listen %q, api_advertise %q: %q, want %q", c.listen, c.advertise, got, c.want)
		}
	}
}

// Go's etcd client against a cluster: go_client SCENARIO ENDPOINT...
//
// Ends with 0 when the scenario went as etcd's documentation says, else with 1 and a line that says
// what did not.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// patience bounds every scenario as a whole; none waits for time to pass.
const patience = 100 * time.Second

type scenario struct {
	*clientv3.Client
	ctx       context.Context
	endpoints []string
}

var scenarios = map[string]func(*scenario){
	"calls":     calls,
	"errors":    errorsByName,
	"watch":     watch,
	"fragments": fragments,
	"cancel":    cancelled,
	"lease":     lease,
	"lock":      lock,
	"election":  election,
	"stm":       transactionalMemory,
	"mirror":    mirrored,
	"failover":  failover,
}

type failed string

// check ends the scenario unless `ok`.
func check(ok bool, format string, values ...any) {
	if !ok {
		panic(failed(fmt.Sprintf(format, values...)))
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%v", err)
	return value
}

func connect(endpoints []string) *clientv3.Client {
	return must(clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 30 * time.Second}))
}

func run(name string, endpoints []string) (err error) {
	defer func() {
		if text, ok := recover().(failed); ok {
			err = fmt.Errorf("%s: %s", name, text)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := connect(endpoints)
	defer client.Close()
	scenarios[name](&scenario{client, ctx, endpoints})
	return nil
}

func main() {
	if len(os.Args) < 3 || scenarios[os.Args[1]] == nil {
		var names []string
		for name := range scenarios {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintln(os.Stderr, "usage: go_client", strings.Join(names, "|"), "ENDPOINT...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

// A real S3 server for the tests: versitygw over a local folder.
//
//	s3_server ADDRESS FOLDER SIDECAR REGION   (keys in ROOT_ACCESS_KEY and ROOT_SECRET_KEY)
//
// TLS with S3_CERT and S3_KEY in the environment. Serves until it is killed.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func run(address, folder, sidecar, region string) error {
	// Not extended attributes: not every file system that tests run on has them.
	store, err := meta.NewSideCar(sidecar)
	if err != nil {
		return err
	}
	options := posix.PosixOpts{SideCarDir: sidecar, Concurrency: 1000}
	backend, err := posix.New(folder, store, options)
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(context.Background(), backend, &embedgw.Config{
		RootUserAccess:    os.Getenv("ROOT_ACCESS_KEY"),
		RootUserSecret:    os.Getenv("ROOT_SECRET_KEY"),
		Region:            region,
		Ports:             []string{address},
		MaxConnections:    1000,
		MaxRequests:       1000,
		MultipartMaxParts: 10000,
		CertFile:          os.Getenv("S3_CERT"),
		KeyFile:           os.Getenv("S3_KEY"),
		Quiet:             true,
		KeepAlive:         true,
	})
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "s3_server ADDRESS FOLDER SIDECAR REGION")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "s3_server:", err)
		os.Exit(1)
	}
}

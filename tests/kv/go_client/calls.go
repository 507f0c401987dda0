package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// calls: KV, transactions, Cluster and Maintenance.
func calls(s *scenario) {
	put := must(s.Put(s.ctx, "a", "1"))
	check(put.PrevKv == nil, "a put without PrevKV answers %v", put.PrevKv)
	again := must(s.Put(s.ctx, "a", "2", clientv3.WithPrevKV()))
	check(string(again.PrevKv.Value) == "1", "the value before is %v", again.PrevKv)
	check(again.Header.Revision == put.Header.Revision+1, "revision %d", again.Header.Revision)
	for i := 0; i < 5; i++ {
		must(s.Put(s.ctx, fmt.Sprintf("p%d", i), strings.Repeat("v", i)))
	}
	page := must(s.Get(s.ctx, "p", clientv3.WithPrefix(), clientv3.WithLimit(2),
		clientv3.WithSort(clientv3.SortByValue, clientv3.SortDescend)))
	check(page.Count == 5 && page.More && string(page.Kvs[0].Key) == "p4", "page %v", page)
	old := must(s.Get(s.ctx, "a", clientv3.WithRev(put.Header.Revision), clientv3.WithSerializable()))
	check(len(old.Kvs) == 1 && string(old.Kvs[0].Value) == "1", "at the old revision: %v", old.Kvs)
	transactions(s)
	deleted := must(s.Delete(s.ctx, "p", clientv3.WithPrefix(), clientv3.WithPrevKV()))
	check(deleted.Deleted == 5 && len(deleted.PrevKvs) == 5, "deleted %v", deleted)
	administration(s)
}

func transactions(s *scenario) {
	swap := func(from, to string) *clientv3.TxnResponse {
		return must(s.Txn(s.ctx).If(clientv3.Compare(clientv3.Value("a"), "=", from)).
			Then(clientv3.OpPut("a", to), clientv3.OpGet("a")).
			Else(clientv3.OpGet("a")).Commit())
	}
	done := swap("2", "3")
	check(done.Succeeded && string(done.Responses[1].GetResponseRange().Kvs[0].Value) == "3",
		"swapped: %v", done)
	refused := swap("2", "4")
	check(!refused.Succeeded && string(refused.Responses[0].GetResponseRange().Kvs[0].Value) == "3",
		"not swapped: %v", refused)
	nested := must(s.Txn(s.ctx).If(clientv3.Compare(clientv3.CreateRevision("none"), "=", 0)).
		Then(clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Version("a"), ">", 1)},
			[]clientv3.Op{clientv3.OpPut("nested", "yes")}, nil)).Commit())
	check(nested.Responses[0].GetResponseTxn().Succeeded, "nested: %v", nested)
}

func administration(s *scenario) {
	members := must(s.MemberList(s.ctx))
	check(len(members.Members) == len(s.endpoints), "members: %v", members.Members)
	leaders := map[uint64]bool{}
	for _, endpoint := range s.endpoints {
		leaders[must(s.Status(s.ctx, endpoint)).Leader] = true
		must(s.HashKV(s.ctx, endpoint, 0))
		must(s.Defragment(s.ctx, endpoint))
	}
	check(len(leaders) == 1 && !leaders[0], "leaders: %v", leaders)
	check(len(must(s.AlarmList(s.ctx)).Alarms) == 0, "there are alarms")
	backup := must(s.Snapshot(s.ctx))
	defer backup.Close()
	check(must(io.Copy(io.Discard, backup)) > 32, "the backup is empty")
}

// errorsByName: the client knows the server's errors by their texts.
func errorsByName(s *scenario) {
	is := func(err, want error) { check(errors.Is(err, want), "'%v' is not '%v'", err, want) }
	_, err := s.Put(s.ctx, "", "v")
	is(err, rpctypes.ErrEmptyKey)
	_, err = s.Put(s.ctx, "k", "v", clientv3.WithLease(77))
	is(err, rpctypes.ErrLeaseNotFound)
	_, err = s.Revoke(s.ctx, 77)
	is(err, rpctypes.ErrLeaseNotFound)
	_, err = s.Put(s.ctx, "none", "", clientv3.WithIgnoreValue())
	is(err, rpctypes.ErrKeyNotFound)
	_, err = s.Get(s.ctx, "k", clientv3.WithRev(1<<40))
	is(err, rpctypes.ErrFutureRev)
	_, err = s.Txn(s.ctx).Then(clientv3.OpPut("k", "1"), clientv3.OpPut("k", "2")).Commit()
	is(err, rpctypes.ErrDuplicateKey)
	_, err = s.Txn(s.ctx).Then(make129()...).Commit()
	is(err, rpctypes.ErrTooManyOps)
	_, err = s.Put(s.ctx, "k", strings.Repeat("v", 1_600_000))
	is(err, rpctypes.ErrRequestTooLarge)
	_, err = s.MemberRemove(s.ctx, 77)
	is(err, rpctypes.ErrMemberNotFound)
	last := must(s.Put(s.ctx, "k", "v")).Header.Revision
	must(s.Compact(s.ctx, last))
	_, err = s.Compact(s.ctx, last)
	is(err, rpctypes.ErrCompacted)
	_, err = s.Get(s.ctx, "k", clientv3.WithRev(last-1))
	is(err, rpctypes.ErrCompacted)
}

func make129() []clientv3.Op {
	var ops []clientv3.Op
	for i := 0; i < 129; i++ {
		ops = append(ops, clientv3.OpPut(fmt.Sprintf("many%d", i), "v"))
	}
	return ops
}

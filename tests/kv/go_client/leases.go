package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// lease: granted, renewed, asked for, revoked and run out.
func lease(s *scenario) {
	granted := must(s.Grant(s.ctx, 60))
	must(s.Put(s.ctx, "leased", "v", clientv3.WithLease(granted.ID)))
	left := must(s.TimeToLive(s.ctx, granted.ID, clientv3.WithAttachedKeys()))
	check(left.GrantedTTL == 60 && left.TTL > 0 && len(left.Keys) == 1, "time to live: %v", left)
	check(must(s.KeepAliveOnce(s.ctx, granted.ID)).TTL == 60, "renewed for another time")
	check(len(must(s.Leases(s.ctx)).Leases) == 1, "another number of leases")
	must(s.Revoke(s.ctx, granted.ID))
	check(must(s.Get(s.ctx, "leased")).Count == 0, "the key outlives its lease")
	check(must(s.TimeToLive(s.ctx, granted.ID)).TTL == -1, "a lease that is gone has time to live")

	short := must(s.Grant(s.ctx, 1))
	put := must(s.Put(s.ctx, "short", "v", clientv3.WithLease(short.ID)))
	renewing, stop := context.WithCancel(s.ctx)
	renewals := must(s.KeepAlive(renewing, short.ID))
	for i := 0; i < 4; i++ {
		check((<-renewals) != nil, "the renewals end")
	}
	check(must(s.Get(s.ctx, "short")).Count == 1, "the key is gone although its lease is renewed")
	stop()
	gone := take(s.Watch(s.ctx, "short", clientv3.WithRev(put.Header.Revision+1)), 1)
	check(gone[0].Type == mvccpb.DELETE, "event %v", gone[0])
}

// lock: eight sessions count with a mutex between read and write.
func lock(s *scenario) {
	const sessions, rounds = 8, 5
	var all sync.WaitGroup
	wrong := make(chan any, sessions)
	for i := 0; i < sessions; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			defer func() {
				if what := recover(); what != nil {
					wrong <- what
				}
			}()
			session := must(concurrency.NewSession(s.Client))
			defer session.Close()
			countLocked(s, concurrency.NewMutex(session, "mutex"), rounds)
		}()
	}
	all.Wait()
	select {
	case what := <-wrong:
		check(false, "%v", what)
	default:
	}
	total := string(must(s.Get(s.ctx, "counter")).Kvs[0].Value)
	check(total == strconv.Itoa(sessions*rounds), "counted to %s", total)
	tryLock(s)
}

func countLocked(s *scenario, mutex *concurrency.Mutex, rounds int) {
	for i := 0; i < rounds; i++ {
		check(mutex.Lock(s.ctx) == nil, "no lock")
		value := 0
		if got := must(s.Get(s.ctx, "counter")); got.Count == 1 {
			value = must(strconv.Atoi(string(got.Kvs[0].Value)))
		}
		done := must(s.Txn(s.ctx).If(mutex.IsOwner()).
			Then(clientv3.OpPut("counter", strconv.Itoa(value+1))).Commit())
		check(done.Succeeded, "the lock is lost while it is held")
		check(mutex.Unlock(s.ctx) == nil, "no unlock")
	}
}

func tryLock(s *scenario) {
	one, two := must(concurrency.NewSession(s.Client)), must(concurrency.NewSession(s.Client))
	held, wanted := concurrency.NewMutex(one, "try"), concurrency.NewMutex(two, "try")
	check(held.TryLock(s.ctx) == nil, "the lock is not free")
	check(wanted.TryLock(s.ctx) == concurrency.ErrLocked, "a second holder")
	check(one.Close() == nil, "the session does not end")
	check(wanted.TryLock(s.ctx) == nil, "the lock outlives its session")
}

// election: campaign, proclaim, observe, resign, and the next one.
func election(s *scenario) {
	one, two := must(concurrency.NewSession(s.Client)), must(concurrency.NewSession(s.Client))
	first, second := concurrency.NewElection(one, "e"), concurrency.NewElection(two, "e")
	check(first.Campaign(s.ctx, "first") == nil, "not elected")
	elected := make(chan error)
	go func() { elected <- second.Campaign(s.ctx, "second") }()
	seen := second.Observe(s.ctx)
	check(string((<-seen).Kvs[0].Value) == "first", "another leader is observed")
	for i := 0; i < 5; i++ {
		check(first.Proclaim(s.ctx, fmt.Sprint(i)) == nil, "not proclaimed")
	}
	for i := 0; i < 5; i++ {
		value := string((<-seen).Kvs[0].Value)
		check(value == fmt.Sprint(i), "observed %s, not %d", value, i)
	}
	check(first.Resign(s.ctx) == nil, "not resigned")
	check(<-elected == nil, "the second is not elected")
	check(string((<-seen).Kvs[0].Value) == "second", "the second is not observed")
	check(string(must(second.Leader(s.ctx)).Kvs[0].Value) == "second", "another leader")
	check(first.Proclaim(s.ctx, "late") == concurrency.ErrElectionNotLeader, "who resigned proclaims")
}

// transactionalMemory: concurrency.NewSTM moves money between accounts; none is made or lost.
func transactionalMemory(s *scenario) {
	const accounts, movers, rounds = 4, 4, 10
	for i := 0; i < accounts; i++ {
		must(s.Put(s.ctx, fmt.Sprintf("account%d", i), "100"))
	}
	var all sync.WaitGroup
	for m := 0; m < movers; m++ {
		all.Add(1)
		go func(m int) {
			defer all.Done()
			for i := 0; i < rounds; i++ {
				from, to := fmt.Sprintf("account%d", (m+i)%accounts), fmt.Sprintf("account%d", (m+i+1)%accounts)
				concurrency.NewSTM(s.Client, func(stm concurrency.STM) error {
					a, _ := strconv.Atoi(stm.Get(from))
					b, _ := strconv.Atoi(stm.Get(to))
					stm.Put(from, strconv.Itoa(a-m-1))
					stm.Put(to, strconv.Itoa(b+m+1))
					return nil
				}, concurrency.WithAbortContext(s.ctx))
			}
		}(m)
	}
	all.Wait()
	sum := 0
	for _, kv := range must(s.Get(s.ctx, "account", clientv3.WithPrefix())).Kvs {
		sum += must(strconv.Atoi(string(kv.Value)))
	}
	check(sum == 100*accounts, "there is %d", sum)
}

// failover: says "ready" when a watch, a lease and a lock are held, and goes on when it is told of a
// leader's end on standard input.
func failover(s *scenario) {
	session := must(concurrency.NewSession(s.Client, concurrency.WithTTL(10)))
	mutex := concurrency.NewMutex(session, "held")
	check(mutex.Lock(s.ctx) == nil, "no lock")
	events := s.Watch(s.ctx, "n", clientv3.WithCreatedNotify())
	check((<-events).Created, "the first response does not say created")
	const puts = 50
	for i := 0; i < puts; i++ {
		if i == puts/2 {
			fmt.Println("ready")
			fmt.Scanln()
		}
		// The client repeats what was not executed; what may have been is ours to repeat.
		for _, err := s.Put(s.ctx, "n", strconv.Itoa(i)); err != nil; _, err = s.Put(s.ctx, "n", strconv.Itoa(i)) {
			check(s.ctx.Err() == nil, "put: %v", err)
		}
	}
	last, revision := -1, int64(0)
	for last < puts-1 {
		event := take(events, 1)[0]
		value := must(strconv.Atoi(string(event.Kv.Value)))
		check(value == last || value == last+1, "after %d comes %d", last, value)
		check(event.Kv.ModRevision > revision, "revision %d comes twice", revision)
		last, revision = value, event.Kv.ModRevision
	}
	done := must(s.Txn(s.ctx).If(mutex.IsOwner()).Then(clientv3.OpGet("n")).Commit())
	check(done.Succeeded, "the lock is lost with the leader")
	select {
	case <-session.Done():
		check(false, "the session is lost with the leader")
	default:
	}
}

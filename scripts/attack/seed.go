package attack

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seedWord is the environment variable with the seed of a run.
const seedWord = "BOOTHOOK_SEED"

// Rand gives a test what it draws from: its own stream of the run's seed, so
// that a test by itself draws what it draws among all. Without a seed in the
// environment one is drawn. Either is logged.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if word := os.Getenv(seedWord); word != "" {
		var err error
		if seed, err = strconv.ParseUint(word, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedWord, err)
		}
	}
	t.Logf("seed %d", seed)
	stream := fnv.New64a()
	_, _ = stream.Write([]byte(t.Name())) // never fails
	return rand.New(rand.NewPCG(seed, stream.Sum64()))
}

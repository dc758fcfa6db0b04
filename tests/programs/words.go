// Goroutines over files, a child process, a temporary file, a walk, itself once more.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("again", os.Args[1])
		return
	}
	var group sync.WaitGroup
	sums := make([]string, 16)
	for n := range sums {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			name := filepath.Join("out", fmt.Sprintf("file-%02d", n))
			if err := os.WriteFile(name, []byte(name), 0o640); err != nil {
				fmt.Println(err)
			}
			bytes, err := os.ReadFile(name)
			if err != nil {
				fmt.Println(err)
			}
			sums[n] = fmt.Sprintf("%x", sha256.Sum256(bytes))[:8]
			output, err := exec.Command("/usr/bin/cat", name).CombinedOutput()
			if err != nil || string(output) != name {
				fmt.Println(string(output), err)
			}
		}(n)
	}
	group.Wait()
	fmt.Println(sums)
	err := filepath.Walk("out", func(path string, info os.FileInfo, err error) error {
		fmt.Println(path, err == nil && info.IsDir())
		return err
	})
	fmt.Println("walk:", err)
	temporary, err := os.CreateTemp("", "words")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Fprint(temporary, "temporary")
	information, _ := temporary.Stat()
	fmt.Println("size:", information.Size(), os.Remove(temporary.Name()))
	err = exec.Command("/usr/bin/cat", "out/missing").Run()
	fmt.Println("child:", err)
	own, err := os.Executable()
	fmt.Println("own:", own, err)
	for _, name := range []string{own, "/proc/self/exe"} {
		output, err := exec.Command(name, "as itself").CombinedOutput()
		fmt.Print(string(output), err, "\n")
	}
	_, err = os.Open("out/missing")
	fmt.Println(err)
	os.Exit(6)
}

// Preloaded into the processes that our scripts start: when the parent is gone without a word (SIGKILL), stop as if it
// had asked, so that no server outlives the command that started it. Windows never changes the parent's id; there the
// guard does nothing.

const parent = process.ppid;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
}, 500).unref();

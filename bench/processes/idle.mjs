// A process that does nothing, to compare memory with.
process.on("message", () => {});
process.send("ready");

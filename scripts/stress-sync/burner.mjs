// Keeps a core busy for as long as its parent is there.
process.on("disconnect", () => process.exit());
let sum = 0;
const burn = () => {
  for (let i = 0; i < 1e7; i++) sum += Math.sqrt(i);
  setImmediate(burn);
};
burn();

// The page: the board lives in the server, and is used as if it were here.
import { connect } from "banyan/remote";

const find = (id) => document.getElementById(id);
const session = await connect(`ws://${location.host}/objects`);
const board = session.remote("board");
find("state").textContent = "connected";
session.onBroken((error) => (find("state").textContent = `disconnected: ${error.message}`));

await board.watch((note) => {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = note.at.toLocaleTimeString();
  item.append(time, note.text);
  find("notes").append(item);
});

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void board.add(find("text").value);
  find("text").value = "";
});

for await (const load of board.load()) find("load").textContent = load.toFixed(2);

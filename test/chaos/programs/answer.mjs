// Answers each line on its port with its pid and that line; argument: the name in its log.
import { createServer } from "node:net";

const name = process.argv[2];
console.log(`begin ${name} ${process.pid}`);
createServer((socket) => {
  socket.setEncoding("utf8");
  socket.on("error", () => {});
  socket.on("data", (text) => {
    for (const line of text.split("\n").slice(0, -1)) socket.write(`${process.pid} ${line}\n`);
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
let n = 0;
setInterval(() => {
  n += 1;
  console.log(`${name} ${process.pid} ${n} ${(n * 7919) % 100003}`);
}, 300);

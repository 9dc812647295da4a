import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

interface Server extends AsyncDisposable {
  readonly address: string;
  /** The next `count` frames of the one who connected, whom nothing is read from before. */
  read(count: number): Promise<Buffer[]>;
}

export async function listenAnywhere(): Promise<Server> {
  const server = createServer({ allowHalfOpen: false, pauseOnConnect: true });
  const connected = once(server, "connection") as Promise<[Socket]>;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  let rest: Buffer = Buffer.alloc(0);
  return {
    address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    read: async (count) => {
      const [socket] = await connected;
      const frames: Buffer[] = [];
      while (frames.length < count) {
        const size = rest.length < 4 ? undefined : rest.readUInt32LE(0);
        if (size !== undefined && rest.length >= 4 + size) {
          frames.push(rest.subarray(4, 4 + size));
          rest = rest.subarray(4 + size);
          continue;
        }
        const coming = once(socket, "data") as Promise<[Buffer]>;
        socket.resume();
        const [chunk] = await coming;
        socket.pause();
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      }
      return frames;
    },
    async [Symbol.asyncDispose]() {
      const [socket] = await connected;
      socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

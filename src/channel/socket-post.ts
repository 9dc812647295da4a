import type { PostEvents, Post } from "./posting-channel.ts";

/** What a browser's `WebSocket` and that of `ws` have in common. */
export interface WebSocketLike {
  binaryType: string;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  addEventListener(event: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(event: "close", listener: (event: CloseEventLike) => void): void;
  removeEventListener(
    event: "message",
    listener: (event: { readonly data: unknown }) => void,
  ): void;
  removeEventListener(event: "close", listener: (event: CloseEventLike) => void): void;
}

interface CloseEventLike {
  readonly code: number;
  readonly reason: string;
}

const NORMAL_CLOSE = 1_000;

/**
 * Joins an open WebSocket to a channel. Its own closing says nothing: the channel has its end behind
 * its last message.
 */
export function joinWebSocket(
  socket: WebSocketLike,
  { onMessage, onGone, onGarbage }: PostEvents,
): Post {
  socket.binaryType = "arraybuffer";
  const message = ({ data }: { readonly data: unknown }): void => {
    if (data instanceof ArrayBuffer) onMessage(new Uint8Array(data));
    else onGarbage(new TypeError("a text arrived, where there are only bytes"));
  };
  const close = ({ code, reason }: CloseEventLike): void => {
    onGone(new Error(`the WebSocket closed with code ${code}${reason && `: ${reason}`}`));
  };
  socket.addEventListener("message", message);
  socket.addEventListener("close", close);
  return {
    post: (posted) => socket.send(posted),
    close: () => {
      socket.removeEventListener("message", message);
      socket.removeEventListener("close", close);
      socket.close(NORMAL_CLOSE);
    },
  };
}

/** A TCP proxy between Rehouse and one server, that breaks the way by direction and by message. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Direction, Framing, Message, Protocol } from "./protocol.ts";

export type Address = { readonly host: string; readonly port: number };

/**
 * What becomes of a message. `lose`: it and all that follows is lost, and both ends see the connection reset. An `answer` goes to its sender in
 * place of the other side's, and the connection ends.
 */
export type Verdict = "pass" | "lose" | { readonly afterMs: number } | { readonly answer: Buffer };

/** `connection` is the same object for all messages of one connection. */
export type Rule = (message: Message, client: string, connection: object) => Verdict;

type Shape = { delayMs: number; bytesPerSecond: number; isHeld: boolean };

const AS_IT_IS: Readonly<Shape> = { delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, isHeld: false };
const POLL_MS = 5;
/** Beyond this a side is not read from, so that a throttled way looks to its sender as a full network does. */
const MOST_BYTES = 256 * 1024;

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #upstream: Address;
  readonly #protocol: Protocol;
  readonly #links = new Set<Link>();
  /** Every socket of a client, also of a link that is over and whose other side is still busy. */
  readonly #clients = new Set<Socket>();
  readonly #shapes: Record<Direction, Shape> = { "to-server": { ...AS_IT_IS }, "to-client": { ...AS_IT_IS } };
  #rule: Rule | undefined;
  #refuses = false;

  private constructor(server: Server, upstream: Address, protocol: Protocol) {
    this.#server = server;
    this.#upstream = upstream;
    this.#protocol = protocol;
    server.on("connection", (client) => this.#accept(client));
  }

  /** `protocol` may need to know the proxy's own port. */
  static async start(upstream: Address, protocol: (port: number) => Protocol): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port: 0 }, resolve);
    });
    return new TcpProxy(server, upstream, protocol(portOf(server)));
  }

  get port(): number {
    return portOf(this.#server);
  }

  get connections(): number {
    return this.#links.size;
  }

  /** All connections end in good order. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** All connections are reset. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** As {@link reset}, and so is every new connection until {@link heal}. */
  refuse(): void {
    this.#refuses = true;
    this.reset();
  }

  delay(ms: number, ...directions: readonly Direction[]): void {
    for (const direction of directions) this.#shapes[direction].delayMs = ms;
  }

  throttle(bytesPerSecond: number, ...directions: readonly Direction[]): void {
    for (const direction of directions) this.#shapes[direction].bytesPerSecond = bytesPerSecond;
  }

  /** Nothing arrives any more, and nobody is told so; with {@link heal} it does. */
  hold(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#shapes[direction].isHeld = true;
  }

  /** Each message from now on is judged; one rule at a time. */
  judge(rule: Rule): void {
    this.#rule = rule;
  }

  /** The way is as it was; connections that were broken stay so. */
  heal(): void {
    this.#refuses = false;
    this.#rule = undefined;
    for (const direction of ["to-server", "to-client"] as const) Object.assign(this.#shapes[direction], AS_IT_IS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    this.#clients.add(client);
    client.once("close", () => this.#clients.delete(client));
    if (this.#refuses) {
      client.on("error", () => undefined);
      client.resetAndDestroy();
      return;
    }
    const link = new Link(client, connect({ ...this.#upstream, noDelay: true }), this.#protocol(), {
      shapes: this.#shapes,
      judge: (message, of, connection) => this.#rule?.(message, of, connection) ?? "pass",
      ended: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
  return address.port;
}

type Owner = {
  readonly shapes: Readonly<Record<Direction, Shape>>;
  readonly judge: Rule;
  readonly ended: () => void;
};

/** One connection: the client's socket and the server's. */
class Link {
  readonly #sockets: readonly [client: Socket, server: Socket];
  readonly #owner: Owner;
  #isOver = false;

  constructor(client: Socket, server: Socket, framing: Framing, owner: Owner) {
    this.#sockets = [client, server];
    this.#owner = owner;
    const ways = {
      "to-server": new Way(server, owner.shapes["to-server"]),
      "to-client": new Way(client, owner.shapes["to-client"]),
    };
    for (const [socket, direction] of [
      [client, "to-server"],
      [server, "to-client"],
    ] as const) {
      socket.on("error", () => this.reset());
      socket.on("close", () => this.#end(() => ways[direction].close()));
      socket.on("end", () => ways[direction].close());
      socket.on("data", (bytes) => {
        for (const message of framing.push(direction, bytes)) if (!this.#pass(message, framing, socket, ways[direction])) return;
        ways[direction].hold(socket);
      });
    }
  }

  cut(): void {
    this.#end(() => {
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  reset(): void {
    this.#end(() => {
      for (const socket of this.#sockets) socket.resetAndDestroy();
    });
  }

  /** False: the connection is no more. */
  #pass(message: Message, framing: Framing, sender: Socket, way: Way): boolean {
    if (this.#isOver) return false;
    const verdict = this.#owner.judge(message, framing.client, this);
    if (verdict === "lose") {
      this.reset();
      return false;
    }
    if (typeof verdict === "object" && "answer" in verdict) {
      sender.end(verdict.answer);
      return false;
    }
    way.send(message.bytes, verdict === "pass" ? 0 : verdict.afterMs);
    return true;
  }

  #end(how: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#owner.ended();
    how();
  }
}

/** The bytes on their way to one of the two sockets. */
class Way {
  readonly #to: Socket;
  readonly #shape: Shape;
  readonly #queue: { readonly bytes: Buffer; readonly notBefore: number }[] = [];
  #bytes = 0;
  #isPumping = false;
  #isClosing = false;

  constructor(to: Socket, shape: Shape) {
    this.#to = to;
    this.#shape = shape;
  }

  send(bytes: Buffer, afterMs: number): void {
    this.#queue.push({ bytes, notBefore: performance.now() + Math.max(afterMs, this.#shape.delayMs) });
    this.#bytes += bytes.length;
    if (!this.#isPumping) void this.#pump();
  }

  /** Has the sender wait while too much of its is under way. */
  hold(sender: Socket): void {
    if (this.#bytes < MOST_BYTES) return;
    sender.pause();
    const resume = setInterval(() => {
      if (this.#bytes >= MOST_BYTES && !this.#to.destroyed) return;
      clearInterval(resume);
      sender.resume();
    }, POLL_MS);
  }

  /** Nothing follows; what is under way still arrives. */
  close(): void {
    this.#isClosing = true;
    if (!this.#isPumping) this.#to.end();
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    for (let next = this.#queue.shift(); next !== undefined && !this.#to.destroyed; next = this.#queue.shift()) {
      while ((this.#shape.isHeld || performance.now() < next.notBefore) && !this.#to.destroyed) await delay(POLL_MS);
      if (Number.isFinite(this.#shape.bytesPerSecond)) await delay((next.bytes.length / this.#shape.bytesPerSecond) * 1_000);
      if (!this.#to.destroyed) this.#to.write(next.bytes);
      this.#bytes -= next.bytes.length;
    }
    this.#isPumping = false;
    if (this.#isClosing) this.#to.end();
  }
}

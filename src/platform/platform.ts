/** What the core needs of the machine it runs on. `node.ts` and `web.ts` each provide all of it. */

/** A value that follows the asynchronous flow of control. */
export interface FlowStore<Value> {
  run<Result>(value: Value, run: () => Result): Result;
  /** For what `run` does before it returns, and not for what it starts. Costs the rest of the process nothing. */
  runBriefly<Result>(value: Value, run: () => Result): Result;
  /** Like `run`, but the process pays for following the flow only until the promise has settled. */
  runUntilSettled<Result>(value: Value, run: () => Promise<Result>): Promise<Result>;
  get(): Value | undefined;
}

export interface Decompressor {
  /** Decoded bytes as far as they go. Rejects on corrupt input. */
  write(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** What was still held back. Rejects when the input ended early. */
  end(): Promise<Uint8Array[]>;
  /** One write gave more than `MAX_WRITE_OUTPUT`: it was cut there, and nothing more comes. */
  readonly overflowed: boolean;
}

export interface DecompressSyncOptions {
  /** Nothing of a body that ends early. Default: what there is of it. */
  isWhole?: boolean;
  /** Bytes that may come out. Default `MAX_WRITE_OUTPUT`. */
  maxOutput?: number;
}

/** Bytes that one write may give: twice what 16 KiB of gzip can hold. Brotli packs 300 MB into 481 bytes. */
export const MAX_WRITE_OUTPUT: number = 32 * 1024 * 1024;

export interface MediaDigest {
  bytes: number;
  /** Hex. */
  sha256: string;
}

/** What is found out about a text while it goes by. */
export interface RunningSums {
  /** A character for each byte. */
  readLatin1(bytes: Uint8Array): string;
  /** It holds ASCII without quotes and backslashes. */
  isPlain(bytes: Uint8Array): boolean;
  startHash(): RunningHash;
  startDigest(): RunningDigest;
}

/** The keyed hash of a long text, given in pieces that split no surrogate pair. */
export interface RunningHash {
  add(text: string): void;
  /** The same as UTF-8. */
  addBytes(bytes: Uint8Array): void;
  end(): string;
}

/** The digest of what a base64 text stands for. */
export interface RunningDigest {
  add(text: string): void;
  /** `undefined`: it was no base64. */
  end(): MediaDigest | undefined;
}

/** A thread that does tasks, one after the other. */
export interface WorkerLink<Task> {
  /** @param transfer What is handed over rather than copied. */
  post(task: Task, transfer: readonly ArrayBuffer[]): void;
  terminate(): void;
}

export interface WorkerListener<Reply> {
  onReply(reply: Reply): void;
  /** Once; also after `terminate`. */
  onDeath(error: Error): void;
}

export interface Timer {
  cancel(): void;
}

/** What a tap does when the process is about to end. */
export interface ExitHooks {
  /** The event loop has run dry; asynchronous work is still possible. */
  beforeExit(): void;
  /** Last call: only synchronous work counts. */
  exit(): void;
  /** Ends what is running and sends all there is, for `timeoutMs` at most. `undefined`: there is nothing. */
  shutDown(timeoutMs: number): Promise<void> | undefined;
  /** A call is running, or only memory holds a record. */
  isBusy(): boolean;
}

/** Keeps sockets of the tap's own traffic from holding the process. */
export interface SocketRelease {
  /** From now on, and until the returned function is called, a request to this origin is under way that is marked as background. */
  expect(origin: string): () => void;
  /** Requests that were marked so far. */
  readonly marked: number;
  stop(): void;
}

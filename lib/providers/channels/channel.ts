import type { NotificationEvent, StoredMessage } from "@/db/schema/outbox";
import type { Context } from "@/lib/context";
import type { Settings } from "@/lib/settings";

/** One thing that is told: that an approval is wanted, or what became of it. */
export type Message = StoredMessage & {
  /** UUIDv7, of the notification. */
  id: string;
  event: NotificationEvent;
  approvalId: string;
  expiresAt: Date;
};

/** One thing to tell, and whom: these people, and whoever the operator's settings name. */
export type Notification = Message & { recipients: readonly string[] };

/** Where a notification is to go by one channel. */
export type Destination = {
  /** Who has to be reachable; what cannot be reached holds up nothing else. */
  receiver: string;
  /** Where there, in a word that says nothing by itself: the address is looked up when the time comes. */
  destination: string;
};

/** One message on its way. */
export type Delivery = Destination & {
  /** The same at every try. */
  id: string;
  /** What it tells: one, or several that came too fast to be told one by one, all of the same event. */
  messages: readonly [Message, ...Message[]];
};

/** `withdrawn`: nobody is there any more who wants to be told, and that is no failure. */
export type Outcome = "delivered" | "withdrawn";

/** A way to tell somebody something. To add one: write its file, add its line in `index.ts`. */
export type Channel = {
  name: string;
  /** For people: what comes too fast is told together, and no faster than the settings say. */
  forPeople: boolean;
  isConfigured(settings: Settings): boolean;
  /** Where a notification goes; read in the transaction that it is queued in. */
  destinations(ctx: Context, notification: Notification): Promise<readonly Destination[]>;
  /** Seconds to wait before each further try; none are left: the delivery has failed. */
  backoff(settings: Settings): readonly number[];
  /** Delivers, in 20 seconds at most; throws DeliveryError or whatever stopped it. */
  send(ctx: Context, delivery: Delivery): Promise<Outcome>;
};

/** Milliseconds that a channel may take to deliver. */
export const SEND_TIMEOUT = 10_000;

/** What people's channels wait, in seconds: a question is worth little after five minutes. */
export const PATIENT: readonly number[] = [2, 10, 30, 60, 120, 300];

type Refusal = {
  /** It is about this message: others may well be taken. */
  alone?: boolean;
  /** About this message, and however often it is tried. */
  final?: boolean;
  /** Seconds that the receiver asks to be left alone. */
  retryAfter?: number | undefined;
};

/** Thrown when a receiver did not take a message; the words are for the operator, and none of them the receiver's. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";

  constructor(
    message: string,
    readonly refusal: Refusal = {},
  ) {
    super(message);
  }
}

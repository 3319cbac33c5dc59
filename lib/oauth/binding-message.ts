import { OAuthError } from "@/lib/errors";
import { isPlainText } from "./display-text";

/** Characters of the message that a page and a small device show (CIBA Core §7.1). */
const MAX_BINDING_MESSAGE = 200;

/** What the client wants the person to read; nobody verified it. */
export function bindingMessage(message: string | undefined): string | undefined {
  if (!message) return undefined;
  if (message.length <= MAX_BINDING_MESSAGE && isPlainText(message)) return message;
  throw new OAuthError(
    "invalid_binding_message",
    `Send binding_message as plain text of at most ${MAX_BINDING_MESSAGE} characters.`,
  );
}

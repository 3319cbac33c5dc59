import { Notice } from "@/components/notice";
import { Letter } from "./letter";

/** An address without a page. */
export default function NotFoundPage() {
  return (
    <Letter title="There is nothing here">
      <Notice
        title="There is nothing here"
        happened="This address leads to no page of this server."
        advice="If an app sent you here, start again in the app."
        action={{ label: "About this server", href: "/" }}
      />
    </Letter>
  );
}

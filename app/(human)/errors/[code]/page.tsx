import { notFound } from "next/navigation";
import { Letter } from "@/app/letter";
import { Notice } from "@/components/notice";
import { errorAdvice } from "@/lib/error-advice";

/** What an error code means and what to do about it: every refusal links here (`error_uri`). */
export default async function ErrorCodePage({ params }: PageProps<"/errors/[code]">) {
  const { code } = await params;
  const advice = errorAdvice(code);
  if (!advice) notFound();
  return (
    <Letter title={code}>
      <Notice title={code} happened={advice.means} advice={advice.remedy} reference={advice.spec} />
    </Letter>
  );
}

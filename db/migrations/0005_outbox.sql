CREATE TABLE "outbox" (
	"id" uuid PRIMARY KEY NOT NULL,
	"notification_id" uuid NOT NULL,
	"event" text NOT NULL,
	"approval_id" text NOT NULL,
	"channel" text NOT NULL,
	"receiver" text NOT NULL,
	"destination" text NOT NULL,
	"message" jsonb NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"folded_into" uuid,
	"attempts" integer DEFAULT 0 NOT NULL,
	"attempted_at" timestamp with time zone,
	"due_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"last_error" text,
	"created_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "push_subscriptions" (
	"endpoint_hash" text PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"browser_hash" text NOT NULL,
	"host" text NOT NULL,
	"subscription_jwe" text NOT NULL,
	"created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "installation" ADD COLUMN "vapid_key_jwe" text;--> statement-breakpoint
ALTER TABLE "push_subscriptions" ADD CONSTRAINT "push_subscriptions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "outbox_notification_index" ON "outbox" USING btree ("notification_id","channel","destination");--> statement-breakpoint
CREATE INDEX "outbox_due_index" ON "outbox" USING btree ("channel","receiver","due_at") WHERE "outbox"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "outbox_attempted_index" ON "outbox" USING btree ("channel","destination","attempted_at");--> statement-breakpoint
CREATE INDEX "outbox_folded_index" ON "outbox" USING btree ("folded_into") WHERE "outbox"."folded_into" is not null;--> statement-breakpoint
CREATE INDEX "outbox_approval_index" ON "outbox" USING btree ("approval_id") WHERE "outbox"."status" in ('pending', 'folded');--> statement-breakpoint
CREATE INDEX "outbox_created_at_index" ON "outbox" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "push_subscriptions_user_id_index" ON "push_subscriptions" USING btree ("user_id");
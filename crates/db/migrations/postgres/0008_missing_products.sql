-- Since when the Store's inventory does not list the product: removal has to be confirmed.
ALTER TABLE apps ADD COLUMN missing_since BIGINT;

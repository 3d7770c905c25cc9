-- KEYS: record
return webhook_of(KEYS[1])

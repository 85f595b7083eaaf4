int
tsr_slot_claim(int slot)
{
	return slot + 1;
}

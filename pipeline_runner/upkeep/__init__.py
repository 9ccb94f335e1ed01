"""What is done between runs: delete what is not needed, choose another champion."""

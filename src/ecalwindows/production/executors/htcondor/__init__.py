"""Jobs on HTCondor."""
